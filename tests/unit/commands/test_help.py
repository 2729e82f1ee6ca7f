import sys

import pytest
from typer.testing import CliRunner

import services.__main__ as kontor

COMMANDS = [
    *([name] for name in kontor.COMMANDS if name not in {"dead-letters", "settings"}),
    *(["dead-letters", name] for name in ("list", "show", "redrive", "discard")),
    *(["settings", name] for name in ("export", "apply")),
]


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(kontor.app, ["--help"]).output

    assert [name for name in kontor.COMMANDS if f" {name} " not in shown] == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_examples_in_its_help(command: list[str]) -> None:
    shown = CliRunner().invoke(kontor.app, [*command, "--help"], env={"COLUMNS": "200"})

    assert shown.exit_code == 0, shown.output
    assert "Example" in shown.output
    assert f"kontor {' '.join(command)}" in shown.output


def test_an_unknown_service_is_refused_with_those_there_are() -> None:
    refused = CliRunner().invoke(kontor.app, ["run", "nobody"], env={"COLUMNS": "200"})

    assert refused.exit_code == 2
    assert "there is no service nobody; there are api, workflow" in refused.output


def test_a_service_without_its_environment_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KAFKA_BOOTSTRAP", "MONGO_URL"):
        monkeypatch.delenv(f"KONTOR_{name}", raising=False)

    refused = CliRunner().invoke(kontor.app, ["run", "inventory"])

    assert refused.exit_code == 1
    assert "KONTOR_KAFKA_BOOTSTRAP: is not set" in refused.output
    assert "KONTOR_MONGO_URL: is not set" in refused.output


def test_benchmarks_that_are_not_installed_say_where_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tests.bench.__main__", None)

    refused = CliRunner().invoke(kontor.app, ["bench"])

    assert refused.exit_code == 1
    assert "kontor bench" in refused.output
