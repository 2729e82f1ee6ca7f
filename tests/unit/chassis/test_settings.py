import subprocess
from pathlib import Path

import pytest

from services.chassis.settings import ChassisSettings

SECURE = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SECURITY_USERNAME": "kontor"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with what every service needs at least."""
    for name, value in {"KAFKA_BOOTSTRAP": "kafka:9092", "MONGO_URL": "mongodb://mongo"}.items():
        monkeypatch.setenv(f"KONTOR_{name}", value)
    return monkeypatch


def refused(environment: pytest.MonkeyPatch, **values: str) -> list[str]:
    for name, value in values.items():
        environment.setenv(f"KONTOR_{name}", value)
    with pytest.raises(SystemExit) as stopped:
        ChassisSettings.from_environment()
    return str(stopped.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP", "kafka"),
        ("KAFKA_BOOTSTRAP", "kafka:abc"),
        ("KAFKA_BOOTSTRAP", "kafka:9092,,other:9092"),
        ("KAFKA_BOOTSTRAP", "PLAINTEXT://kafka:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "ssl"),
        ("KAFKA_SECURITY_SASL_MECHANISM", "GSSAPI"),
        ("KAFKA_SECURITY_CA_FILE", "/nowhere.pem"),
        ("KAFKA_SECURITY_CA_FILE", __file__),
        ("KAFKA_SECURITY_CERT_FILE", "/nowhere.pem"),
        ("KAFKA_SECURITY_KEY_FILE", "/nowhere.pem"),
        ("MONGO_URL", "mongo:27017"),
        ("MONGO_URL", "mongodb://kontor:hush@mongo:abc/"),
        ("MONGO_URL", "mongodb://kontor:hu/sh@mongo/"),
        ("MONGO_DATABASE", "a b"),
        ("TOPIC_PREFIX", "a b"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "many"),
        ("INSTANCE", "a b"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8;192.168.0.0/16"),
        ("LOG_LEVEL", "info"),
        ("HEALTH_PORT", "65536"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "tcp://collector"),
    ],
)
def test_a_malformed_value_is_one_sentence_that_names_the_variable_and_shows_no_value(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = refused(environment, **{name: value})

    assert said[0] == "Kontor cannot start:"
    assert [line.split(": ")[0] for line in said[1:]] == [f"  KONTOR_{name}"]
    assert value not in said[1]
    assert "hush" not in said[1]


def test_what_is_set_to_nothing_is_not_set(environment: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "KAFKA_SECURITY_CA_FILE", "LOG_LEVEL"):
        environment.setenv(f"KONTOR_{name}", "")
    found = ChassisSettings.from_environment()

    said = refused(environment, MONGO_URL="")

    assert found.otel_exporter_otlp_endpoint is None
    assert found.kafka_security_ca_file is None
    assert found.log_level == "INFO"
    assert said[1:] == ["  KONTOR_MONGO_URL: is not set"]


def test_sasl_needs_a_user_and_a_password(environment: pytest.MonkeyPatch) -> None:
    said = refused(environment, **SECURE | {"KAFKA_SECURITY_USERNAME": ""})

    assert said[1:] == [
        "  KONTOR_KAFKA_SECURITY_USERNAME: is not set, and SASL needs it",
        "  KONTOR_KAFKA_SECURITY_PASSWORD: is not set, and SASL needs it",
    ]


def test_a_certificate_comes_with_its_own_key(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ours", "another"):
        command = ("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=kontor")
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        subprocess.run((*command, *files), cwd=tmp_path, check=True, capture_output=True)
    environment.setenv("KONTOR_KAFKA_SECURITY_CERT_FILE", str(tmp_path / "ours.pem"))
    environment.setenv("KONTOR_KAFKA_SECURITY_KEY_FILE", str(tmp_path / "ours.key"))
    found = ChassisSettings.from_environment()

    said = refused(environment, KAFKA_SECURITY_KEY_FILE=str(tmp_path / "another.key"))

    assert found.kafka_security_key_file == tmp_path / "ours.key"
    assert len(said) == 2
    assert said[1].startswith("  KONTOR_KAFKA_SECURITY_KEY_FILE: expected the key of ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
        ("KAFKA_BOOTSTRAP", "b-1.kafka.example:9094, b-2.kafka.example:9094"),
        ("KAFKA_BOOTSTRAP", "[::1]:9092"),
        ("MONGO_URL", "mongodb://kontor:hu%2Fsh@one:27017,two:27017/?replicaSet=rs0"),
        ("MONGO_URL", "mongodb+srv://cluster.example/"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8, fd00::/8"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/otlp"),
    ],
)
def test_the_usual_forms_are_taken(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"KONTOR_{name}", value)

    assert ChassisSettings.from_environment()
