"""The environment that every service shares. Each service's `settings.py` adds its own."""

import ssl
import sys
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network
Networks = Annotated[tuple[Network, ...], NoDecode]


class ChassisSettings(BaseSettings):
    """Read once, in `app.py`; nobody else looks at the environment (prefix `KONTOR_`)."""

    model_config = SettingsConfigDict(env_prefix="KONTOR_", frozen=True, extra="ignore")

    kafka_bootstrap: str
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_security_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_security_username: str = ""
    kafka_security_password: SecretStr = SecretStr("")
    kafka_security_ca_file: str | None = None
    kafka_security_cert_file: str | None = None
    kafka_security_key_file: str | None = None
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

    @field_validator(
        "allowed_networks", "webhooks_allowed_networks", mode="before", check_fields=False
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment, or end the process with one sentence a variable.

        :raises SystemExit: naming each variable that is missing or malformed, never its value
        """
        try:
            return cls()
        except ValidationError as error:
            lines = [
                f"KONTOR_{str(fault['loc'][0]).upper()}: "
                + ("is not set" if fault["type"] == "missing" else fault["msg"])
                for fault in error.errors(include_input=False, include_url=False)
            ]
            sys.exit("Kontor cannot start:\n  " + "\n  ".join(lines))

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


AnySettings = TypeVar("AnySettings", bound=ChassisSettings)
