from importlib import import_module
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

SERVICES = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())[
    "services"
]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "kontor")
# The image says where a service listens; Kafka's part of the file says that it has no security.
ELSEWHERE = ("KONTOR_API_", "KONTOR_HEALTH_", "KONTOR_KAFKA_SECURITY_")


def read_by(service: str) -> set[str]:
    """Return the variables that the service reads, but for those of its image and of Kafka."""
    settings = import_module(f"services.{service}.settings").Settings
    names = {f"KONTOR_{field.upper()}" for field in settings.model_fields}
    return {name for name in names if not name.startswith(ELSEWHERE)}


def test_every_service_is_there() -> None:
    started = [SERVICES[name]["command"] for name in OURS]

    assert started == [["run", name] for name in OURS]
    assert {"api", "workflow", "payments", "inventory", "notifications", "webhooks"} == set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_the_variables_that_it_reads_and_no_others(name: str) -> None:
    service = SERVICES[name]

    given = set(service["environment"])

    assert given == read_by(name)
    assert "env_file" not in service, "a file of variables would hand out all of it"
