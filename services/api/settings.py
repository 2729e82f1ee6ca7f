"""Environment of the api service."""

from pydantic import Field, SecretStr, field_validator

from services.chassis.settings import ChassisSettings, Networks

SHORTEST_SECRET = 32


class Settings(ChassisSettings):
    """Where it listens, what it signs tokens with, and how much it takes at once."""

    api_host: str = "127.0.0.1"
    api_port: int = Field(8080, ge=0, le=65535)
    """0 takes a free port."""
    token_secret: SecretStr
    owner_client_id: str | None = None
    """The first ApiOwner, made or brought up to date at start; it needs its secret too."""
    owner_client_secret: SecretStr | None = None
    max_body: int = Field(5 * 1024 * 1024, ge=1024)
    """Bytes a request may have after decompression (decided 13.1)."""
    max_batch_body: int = Field(64 * 1024 * 1024, ge=1024)
    """The same for batches."""
    answer_seconds: float = Field(10, gt=0, le=300)
    """How long a request waits for its answer before it is told 202 (design 3)."""
    webhooks_allowed_networks: Networks = ()

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"expected at least {SHORTEST_SECRET} bytes")
        return value
