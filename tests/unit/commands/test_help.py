import sys

import pytest
from typer.testing import CliRunner

import services.__main__ as kontor
from services.api.settings import Settings

GROUPS = {
    "clients": ("list", "show", "create", "update", "rotate", "remove"),
    "dead-letters": ("list", "show", "redrive", "discard"),
    "settings": ("export", "apply"),
}
COMMANDS = [
    *([name] for name in kontor.COMMANDS if name not in GROUPS),
    *([group] for group in GROUPS),
    *([group, name] for group, names in GROUPS.items() for name in names),
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


@pytest.mark.parametrize(
    "name",
    [
        "rate_bucket",
        "rate_refill",
        "rate_refill_seconds",
        "concurrent_client",
        "concurrent_tenant",
        "concurrent_batch",
        "concurrent_reads",
        "open_scrolls",
    ],
)
def test_the_help_of_up_has_the_figure_of_every_limit(name: str) -> None:
    shown = CliRunner().invoke(kontor.app, ["up", "--help"], env={"COLUMNS": "200"}).output

    figure = Settings.model_fields[name].default

    assert f"KONTOR_{name.upper()} {figure}: " in shown


def test_a_change_of_a_client_that_changes_nothing_is_refused() -> None:
    refused = CliRunner().invoke(kontor.app, ["clients", "update", "erp"], env={"COLUMNS": "200"})

    assert refused.exit_code == 2
    assert "say what changes" in refused.output


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
