"""Environment of the api service."""

from collections.abc import Callable
from typing import Annotated, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import (
    BeforeValidator,
    DirectoryPath,
    Field,
    InstanceOf,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import NoDecode
from yarl import URL

from services.chassis.settings import ChassisSettings, Networks

SHORTEST_SECRET: Final = 32
ANY_ORIGIN: Final = "*"


def _private_key(value: object) -> object:
    return _from_pem(value, lambda pem: load_pem_private_key(pem, None), Ed25519PrivateKey)


def _public_key(value: object) -> object:
    return _from_pem(value, load_pem_public_key, Ed25519PublicKey)


def _from_pem(value: object, load: Callable[[bytes], object], kind: type) -> object:
    if not isinstance(value, str):
        return value
    try:
        key = load(value.replace("\\n", "\n").encode())  # an .env file cannot hold several lines
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, kind):
        # Not `from` the library's error: nothing of the value may get into a message.
        raise ValueError(f"expected an {kind.__name__} in PEM without a password")  # noqa: TRY004
    return key


class Settings(ChassisSettings):
    """Where it listens, what it signs tokens with, and how much it takes at once."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(8080, ge=0, le=65535)
    """0 takes a free port."""
    token_secret: SecretStr
    """Signs tokens (HS256), unless there is a private key."""
    token_previous_secret: SecretStr | None = None
    """Tokens signed with it stay valid: the secret before the last change of it."""
    token_private_key: Annotated[
        InstanceOf[Ed25519PrivateKey] | None, BeforeValidator(_private_key)
    ] = None
    """An Ed25519 key in PEM, `\\n` for line breaks if need be: it signs tokens then (EdDSA)."""
    token_previous_public_key: Annotated[
        InstanceOf[Ed25519PublicKey] | None, BeforeValidator(_public_key)
    ] = None
    """Tokens signed with its private half stay valid."""
    owner_client_id: str | None = None
    """The first ApiOwner, made at start; it needs its secret too, and a new secret counts anew."""
    owner_client_secret: SecretStr | None = Field(None, validate_default=True)
    max_body: int = Field(5 * 1024 * 1024, ge=1024)
    """Bytes a request may have after decompression (decided 13.1)."""
    max_batch_body: int = Field(64 * 1024 * 1024, ge=1024)
    """The same for batches."""
    answer_seconds: float = Field(10, gt=0, le=300)
    """How long a request waits for its answer before it is told 202 (design 3)."""
    webhooks_allowed_networks: Networks = ()
    pdf_fonts: DirectoryPath | None = None
    """A directory of fonts for scripts other than Latin, Greek, Cyrillic, Hebrew and Arabic."""
    rate_bucket: int = Field(12_000, ge=0)
    """Requests of a client that may come in one burst; of this and all that follow 0 is no limit,
    each process counts for itself, and what goes beyond is refused at once (decided 13.2)."""
    rate_refill: int = Field(1_000, ge=1)
    """Requests that are put back into the bucket every `rate_refill_seconds`."""
    rate_refill_seconds: float = Field(10, gt=0)
    concurrent_client: int = Field(20, ge=0)
    """Requests of a client under way at a time; one that waits for its command's answer counts."""
    concurrent_tenant: int = Field(40, ge=0)
    """The same of all clients together."""
    concurrent_batch: int = Field(4, ge=0)
    """Batches of a client under way at a time."""
    concurrent_reads: int = Field(150, ge=0)
    """Reads of products and stock under way at a time; they do not count among the others."""
    open_scrolls: int = Field(10, ge=0)
    """Scrolls that a client may have open."""
    guest_rate: int = Field(30, ge=0)
    """Requests a minute that one address may send without a token, where orders may be read so."""
    guest_rate_together: int = Field(600, ge=0)
    """The same of all addresses together."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins, separated by commas, whose pages may call the api from a browser; `*` is all."""

    @field_validator("token_secret", "token_previous_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"expected at least {SHORTEST_SECRET} bytes")
        return value

    @field_validator("owner_client_secret")
    @classmethod
    def _both_or_neither(cls, value: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if (value is None) != (others.data.get("owner_client_id") is None):
            raise ValueError("it and KONTOR_OWNER_CLIENT_ID belong together; set both or neither")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = [part.strip().rstrip("/") for part in value.split(",") if part.strip()]
        if not all(one == ANY_ORIGIN or _is_origin(one) for one in origins):
            raise ValueError("expected origins as https://host[:port], separated by commas, or *")
        return origins


def _is_origin(text: str) -> bool:
    try:
        return str(URL(text).origin()) == text
    except ValueError:
        return False
