from typing import Any

import pytest

from contracts.settings import DEFAULT, Configuration
from services.api.queries.references import dangling


def changed(**members: Any) -> Configuration:  # noqa: ANN401 - documents as JSON
    """The shipped settings with other documents."""
    shipped = DEFAULT.model_dump(by_alias=True)
    return Configuration.model_validate({**shipped, **members})


def a_type(**step: object) -> list[dict[str, object]]:
    """One order type with one status and one step."""
    status = {"name": "New", "order": 1, "workflowSteps": [{"name": "Notification"} | step]}
    return [{"name": "Online", "orderStatuses": [status]}]


STEP = "[0].orderStatuses[0].workflowSteps[0]"


def test_what_is_shipped_leads_somewhere() -> None:
    assert dangling(DEFAULT) == []


@pytest.mark.parametrize(
    ("step", "path", "kind"),
    [
        ({"connector": "x"}, f"{STEP}.connector", "connector"),
        ({"groupId": "x"}, f"{STEP}.groupId", "step group"),
        ({"enabledForMarkets": ["NOR", "x"]}, f"{STEP}.enabledForMarkets[1]", "market"),
        ({"disabledForStores": ["x"]}, f"{STEP}.disabledForStores[0]", "store"),
        ({"enabledForWarehouses": ["WH1", "x"]}, f"{STEP}.enabledForWarehouses[1]", "store"),
        (
            {"properties": [{"key": "ToStatus", "value": "x"}]},
            f"{STEP}.properties[0].value",
            "status",
        ),
    ],
)
def test_a_step_that_names_what_is_not_there_is_found(
    step: dict[str, object], path: str, kind: str
) -> None:
    found = dangling(changed(orderTypes=a_type(**step)))

    assert [(one.document, one.path, one.message) for one in found] == [
        ("OrderTypes", path, f"no {kind} 'x' is configured")
    ]


@pytest.mark.parametrize(
    ("document", "value", "path"),
    [
        ("stores", [{"storeId": "Oslo", "marketIds": ["NOR", "x"]}], "[0].marketIds[1]"),
        ("connectors", [{"connectorId": "c", "markets": ["x"]}], "[0].markets[0]"),
        ("numberOptions", [{"numberType": "Order", "marketGroupId": "x"}], "[0].marketGroupId"),
        (
            "orderSettings",
            {"returnSettings": {"defaultReturnOrderType": "x"}},
            "returnSettings.defaultReturnOrderType",
        ),
        (
            "orderSettings",
            {
                "orderAutomationSettings": {
                    "orderAutomations": [
                        {
                            "orderType": "Online",
                            "status": "x",
                            "condition": "BackInStock",
                            "newStatus": "New",
                        }
                    ]
                }
            },
            "orderAutomationSettings.orderAutomations[0].status",
        ),
    ],
)
def test_other_documents_are_looked_at_too(document: str, value: object, path: str) -> None:
    found = dangling(changed(**{document: value}))

    paths = [one.path for one in found if one.document.casefold() == document.casefold()]
    assert path in paths


def test_an_order_validator_that_is_switched_on_is_looked_for() -> None:
    found = dangling(changed(orderSettings={"isOrderValidationEnabled": True}))

    assert [(one.document, one.path) for one in found] == [
        ("OrderSettings", "isOrderValidationEnabled")
    ]


@pytest.mark.parametrize(
    ("tasks", "missing"),
    [
        ([], 1),
        ([{"name": "OrderAutomation", "active": False}], 1),
        ([{"name": "TryReserveOrderLines"}], 1),
        ([{"name": "orderautomation"}], 0),
    ],
    ids=["none", "switched off", "another", "running"],
)
def test_automations_whose_task_does_not_run_are_found(
    tasks: list[dict[str, object]], missing: int
) -> None:
    automation = {
        "orderType": "Online",
        "status": "New",
        "condition": "BackInStock",
        "newStatus": "InProgress",
    }
    settings = {"orderAutomationSettings": {"orderAutomations": [automation] * 2}}

    found = dangling(changed(orderSettings=settings, scheduledTasks=tasks))

    assert [(one.document, one.path, one.message) for one in found] == [
        (
            "OrderSettings",
            "orderAutomationSettings.orderAutomations",
            "no active scheduled task 'OrderAutomation' is configured",
        )
    ] * missing


def test_a_threshold_whose_clean_up_does_not_run_is_found() -> None:
    settings = {"deleteOrdersThreshold": 730}

    found = dangling(changed(orderSettings=settings, scheduledTasks=[]))

    assert [(one.path, one.message) for one in found] == [
        ("deleteOrdersThreshold", "no active scheduled task 'DeleteOldOrders' is configured")
    ]
    assert dangling(changed(orderSettings=settings)) == []


def test_a_task_that_does_not_run_is_missed_by_nobody_without_automations() -> None:
    assert dangling(changed(scheduledTasks=[])) == []


def test_case_makes_no_difference() -> None:
    types = a_type(enabledForMarkets=["nor"], enabledForStores=["OSLO"])

    assert dangling(changed(orderTypes=types)) == []
