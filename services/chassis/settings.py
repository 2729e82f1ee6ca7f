"""The environment that every service shares. Each service's `settings.py` adds its own."""

import re
import ssl
import sys
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_HTTP: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/|$)")


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("expected networks such as 10.0.0.0/8, separated by commas") from None


Network = IPv4Network | IPv6Network
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]


class ChassisSettings(BaseSettings):
    """Read once, in `app.py`; nobody else looks at the environment (prefix `KONTOR_`).

    A variable that is set to nothing, as `.env` files often have it, counts as not set.
    """

    model_config = SettingsConfigDict(
        env_prefix="KONTOR_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    kafka_bootstrap: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_security_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_security_username: str = Field("", validate_default=True)
    kafka_security_password: SecretStr = Field(SecretStr(""), validate_default=True)
    kafka_security_ca_file: FilePath | None = None
    kafka_security_cert_file: FilePath | None = None
    kafka_security_key_file: FilePath | None = Field(None, validate_default=True)
    mongo_url: str
    mongo_database: str = Field("kontor", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    topic_prefix: str = Field("kontor.", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    partitions: int = Field(12, ge=1, le=1000)
    instance: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    """A name that this process keeps over restarts and no other process of its service has. With
    it Kafka gives a process that died its partitions back at once, not after 15 seconds."""
    allowed_networks: Networks = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    health_host: str = "127.0.0.1"
    health_port: int = Field(0, ge=0, le=65535)
    otel_exporter_otlp_endpoint: str | None = None

    @field_validator("kafka_bootstrap")
    @classmethod
    def _brokers(cls, value: str) -> str:
        brokers = [part.strip() for part in value.split(",")]
        if not all(_BROKER.fullmatch(broker) for broker in brokers):
            raise ValueError("expected host:port of one or more brokers, separated by commas")
        return ",".join(brokers)

    @field_validator("kafka_security_username", "kafka_security_password")
    @classmethod
    def _given_for_sasl(cls, value: str | SecretStr, others: ValidationInfo) -> str | SecretStr:
        if not value and others.data.get("kafka_security_protocol", "").startswith("SASL"):
            raise ValueError("is not set, and SASL needs it")
        return value

    @field_validator("kafka_security_ca_file")
    @classmethod
    def _authority(cls, value: FilePath | None) -> FilePath | None:
        try:
            if value is not None:
                ssl.create_default_context(cafile=value)
        except OSError:
            raise ValueError("expected a file of certificates in PEM") from None
        return value

    @field_validator("kafka_security_key_file")
    @classmethod
    def _pair(cls, value: FilePath | None, others: ValidationInfo) -> FilePath | None:
        certificate = others.data.get("kafka_security_cert_file")
        if certificate is None:
            return value
        try:
            # A password, because OpenSSL would ask the terminal for one.
            ssl.create_default_context().load_cert_chain(certificate, value, password="")
        except OSError:
            raise ValueError(
                "expected the key of KONTOR_KAFKA_SECURITY_CERT_FILE in PEM without a password"
            ) from None
        return value

    @field_validator("mongo_url")
    @classmethod
    def _url(cls, value: str) -> str:
        try:
            if not value.startswith("mongodb+srv://"):  # to read such a one, DNS is asked
                parse_uri(value, warn=False)
        except (PyMongoError, ValueError):
            # Not `from` the library's error: the URL may hold a password.
            raise ValueError(
                "expected a URL such as mongodb://host:27017/?replicaSet=rs0, with user and "
                "password escaped as in any URL"
            ) from None
        return value

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _collector(cls, value: str | None) -> str | None:
        if value is not None and not _HTTP.match(value):
            raise ValueError("expected a URL such as http://collector:4318")
        return value

    @classmethod
    def from_environment(cls, **given: Any) -> Self:  # noqa: ANN401 - BaseSettings takes others too
        """Read the environment, or end the process with one sentence a variable.

        :param given: what comes before the environment, as it would stand there
        :raises SystemExit: naming each variable that is missing or malformed, never its value
        """
        try:
            return cls(**given)
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False)
            said = {str(fault["loc"][0]).upper(): _sentence(fault) for fault in faults}
            lines = (f"\n  KONTOR_{name}: {sentence}" for name, sentence in said.items())
            sys.exit("Kontor cannot start:" + "".join(lines))

    def kafka_arguments(self) -> dict[str, object]:
        """Return what aiokafka's clients need to connect."""
        arguments: dict[str, object] = {"bootstrap_servers": self.kafka_bootstrap}
        if self.kafka_security_protocol == "PLAINTEXT":
            return arguments
        arguments["security_protocol"] = self.kafka_security_protocol
        if self.kafka_security_protocol.endswith("SSL"):
            context = ssl.create_default_context(cafile=self.kafka_security_ca_file)
            if self.kafka_security_cert_file:
                context.load_cert_chain(self.kafka_security_cert_file, self.kafka_security_key_file)
            arguments["ssl_context"] = context
        if self.kafka_security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.kafka_security_sasl_mechanism
            arguments["sasl_plain_username"] = self.kafka_security_username
            arguments["sasl_plain_password"] = self.kafka_security_password.get_secret_value()
        return arguments


def _sentence(fault: ErrorDetails) -> str:
    if fault["type"] == "missing":
        return "is not set"
    return fault["msg"].removeprefix("Value error, ")


AnySettings = TypeVar("AnySettings", bound=ChassisSettings)
