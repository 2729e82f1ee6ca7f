"""The registry of workflow steps: name, aliases, what a step does, what undoes it (domain 5.2).

A step either finishes at once or asks another service and waits for its StepFinished.
"""

from typing import Final

from contracts.messages.orders import StepStatus
from contracts.settings import UnknownConnector
from services.workflow.domain.steps.change import (
    add_click_and_collect_tags,
    allocate_to_warehouse,
    change_status,
    complete_shipment,
    enrich_shipment_label,
    set_canceled_date,
    set_completed_date,
    set_ready_for_pickup_date,
    set_warehouse_based_on_zip,
)
from services.workflow.domain.steps.notify import notify
from services.workflow.domain.steps.pay import authorize, cancel_payments, capture, give_back, held
from services.workflow.domain.steps.step import Asked, Context, Finished, Step
from services.workflow.domain.steps.stock import (
    open_quantity,
    reduce,
    release,
    requires_all,
    reserve,
    shipped_lines,
    undelivered,
    unreserve,
)
from services.workflow.domain.steps.verify import (
    validate_default_external_id,
    validate_tracking_number,
    verify_completely_paid,
)

__all__ = [
    "NAMES",
    "Asked",
    "Context",
    "act",
    "held",
    "open_quantity",
    "requires_all",
    "shipped_lines",
    "step_named",
    "undelivered",
]

REGISTRY: Final[tuple[Step, ...]] = (
    Step("IncreaseReservedInventory", reserve, undo=unreserve, asks=True),
    Step("ReduceReservedInventory", release, asks=True, releases=True),
    Step(
        "ReduceInventory",
        reduce,
        aliases=("ReduceInventoryAndReservedInventory",),
        asks=True,
    ),
    Step("AuthorizePayment", authorize, undo=give_back, cancels=True, asks=True),
    Step("CapturePayments", capture, aliases=("CapturePayment",), cancels=True, asks=True),
    Step("CancelPayments", cancel_payments, asks=True),
    Step(
        "Notification",
        notify,
        aliases=("SendConfirmation", "ResendConfirmation", "NotifyCustomer"),
        asks=True,
    ),
    Step("SetCompletedDate", set_completed_date),
    Step("SetReadyForPickupDate", set_ready_for_pickup_date),
    Step("SetCanceledDate", set_canceled_date),
    Step("AllocateToWarehouse", allocate_to_warehouse),
    Step("SetWarehouseBasedOnZip", set_warehouse_based_on_zip),
    Step("EnrichShipmentLabel", enrich_shipment_label),
    Step("CompleteShipment", complete_shipment, aliases=("BookShipment",)),
    Step("ValidateTrackingNumber", validate_tracking_number, cancels=True),
    Step("ValidateDefaultExternalId", validate_default_external_id, cancels=True),
    Step("VerifyCompletelyPaid", verify_completely_paid, cancels=True),
    Step("ChangeStatus", change_status),
    Step("AddClickAndCollectTags", add_click_and_collect_tags),
)

NAMES: Final = tuple(name for step in REGISTRY for name in (step.name, *step.aliases))
"""Of all steps, and their aliases."""

_BY_NAME: Final = {
    name.casefold(): step for step in REGISTRY for name in (step.name, *step.aliases)
}


def step_named(name: str) -> Step | None:
    """Return the step of this name or alias, whatever its case; None for an unknown one."""
    return _BY_NAME.get(name.casefold())


def act(context: Context) -> Finished | Asked:
    """Carry the step out, or ask for it; an unknown step is a Warning (domain 5.3)."""
    step = step_named(context.step.name)
    if step is None:
        return Finished(status=StepStatus.WARNING, reason="unknown step")
    try:
        return step.act(context)
    except UnknownConnector as error:
        return Finished(status=StepStatus.ERROR, reason=f"the connector {error} is not configured")
