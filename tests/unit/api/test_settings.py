from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from services.api.settings import Settings

PRIVATE = Ed25519PrivateKey.generate()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
OTHER_PEM = (
    generate_private_key(SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with what the api needs at least."""
    for name, value in {
        "KAFKA_BOOTSTRAP": "kafka:9092",
        "MONGO_URL": "mongodb://mongo",
        "TOKEN_SECRET": "t" * 32,
    }.items():
        monkeypatch.setenv(f"KONTOR_{name}", value)
    return monkeypatch


def refused(environment: pytest.MonkeyPatch, name: str, value: str) -> str:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        Settings.from_environment()
    return str(stopped.value)


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "figure"),
        [
            ("rate_bucket", 12_000),
            ("rate_refill", 1_000),
            ("rate_refill_seconds", 10),
            ("concurrent_client", 20),
            ("concurrent_tenant", 40),
            ("concurrent_batch", 4),
            ("concurrent_reads", 150),
            ("open_scrolls", 10),
        ],
    )
    @pytest.mark.usefixtures("environment")
    def test_are_those_of_the_guide(self, name: str, figure: int) -> None:
        assert getattr(Settings.from_environment(), name) == figure

    def test_are_read_from_the_environment(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("KONTOR_CONCURRENT_CLIENT", "0")

        assert Settings.from_environment().concurrent_client == 0


class TestKeys:
    @pytest.mark.parametrize("write", [str, lambda pem: pem.replace("\n", "\\n")])
    def test_are_read_as_pem(self, environment: pytest.MonkeyPatch, write: Any) -> None:  # noqa: ANN401 - any way to write it
        environment.setenv("KONTOR_TOKEN_PRIVATE_KEY", write(PRIVATE_PEM))
        environment.setenv("KONTOR_TOKEN_PREVIOUS_PUBLIC_KEY", write(PUBLIC_PEM))

        settings = Settings.from_environment()

        private, public = settings.token_private_key, settings.token_previous_public_key
        assert private is not None
        assert public is not None
        assert private.private_bytes_raw() == PRIVATE.private_bytes_raw()
        assert public.public_bytes_raw() == PRIVATE.public_key().public_bytes_raw()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PRIVATE_KEY", "no key at all"),
            ("PRIVATE_KEY", OTHER_PEM),
            ("PRIVATE_KEY", PUBLIC_PEM),
            ("PREVIOUS_PUBLIC_KEY", PRIVATE_PEM),
            ("PREVIOUS_SECRET", "a short one"),
        ],
    )
    def test_that_are_none_stop_the_service_and_are_not_shown(
        self, environment: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        said = refused(environment, f"KONTOR_TOKEN_{name}", value)

        assert f"KONTOR_TOKEN_{name}: " in said
        assert value.splitlines()[-1] not in said


class TestOrigins:
    def test_are_separated_by_commas(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("KONTOR_CORS_ORIGINS", "https://shop.example, http://localhost:3000/")

        found = Settings.from_environment().cors_origins

        assert found == ("https://shop.example", "http://localhost:3000")

    @pytest.mark.usefixtures("environment")
    def test_are_none_by_default(self) -> None:
        assert Settings.from_environment().cors_origins == ()

    @pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/orders", "null"])
    def test_that_are_none_stop_the_service(
        self, environment: pytest.MonkeyPatch, origin: str
    ) -> None:
        assert "KONTOR_CORS_ORIGINS: " in refused(environment, "KONTOR_CORS_ORIGINS", origin)


class TestOwner:
    @pytest.mark.parametrize("name", ["OWNER_CLIENT_ID", "OWNER_CLIENT_SECRET"])
    def test_is_named_with_a_secret_or_not_at_all(
        self, environment: pytest.MonkeyPatch, name: str
    ) -> None:
        said = refused(environment, f"KONTOR_{name}", "the only one")

        assert "KONTOR_OWNER_CLIENT_SECRET: " in said
        assert "KONTOR_OWNER_CLIENT_ID" in said
        assert "the only one" not in said
