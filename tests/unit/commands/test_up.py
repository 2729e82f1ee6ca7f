from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import services.__main__ as kontor


def up(*options: str) -> Result:
    return CliRunner().invoke(kontor.app, ["up", *options], env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARTITIONS", "many"),
        ("SMTP_URL", "mail.example"),
        ("TOKEN_SECRET", "a short one"),
        ("WEBHOOKS_ALLOWED_NETWORKS", "everybody"),
    ],
)
def test_a_malformed_variable_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"KONTOR_{name}", value)

    refused = up("--data", str(tmp_path / "data"), "--port", "0")

    assert refused.exit_code == 1
    assert f"KONTOR_{name}: " in refused.output
    assert "starting" not in refused.output


def test_a_network_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    refused = up("--data", str(tmp_path / "data"), "--allow-network", "10.0.0.1/8")

    assert refused.exit_code == 1
    assert "KONTOR_WEBHOOKS_ALLOWED_NETWORKS: expected networks such as" in refused.output
    assert "starting" not in refused.output


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    refused = up("--data", str(tmp_path / "data"), "--port", port)

    assert refused.exit_code == 2
    assert "Invalid value for '--port'" in refused.output


@pytest.mark.parametrize("data", ["/proc/kontor", f"{__file__}"])
def test_a_directory_that_cannot_be_used_is_refused_with_advice(data: str) -> None:
    refused = up("--data", data, "--port", "0")

    assert refused.exit_code == 1
    assert f"{data} has to be a directory" in refused.output
    assert "--data names another" in refused.output
