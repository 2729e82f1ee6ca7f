"""Order types, their statuses, and the steps that run when a status is entered."""

from functools import cached_property
from typing import Annotated, Literal, Self, get_args

from pydantic import model_validator

from contracts.faults import Path, RuleBroken
from contracts.fields import Flag, Whole, spelled
from contracts.settings.setting import (
    Name,
    Names,
    Property,
    Setting,
    TupleOf,
    distinct,
    find,
    index,
)

_StepOutcome = Literal["Success", "Error", "Warning"]
StepOutcome = Annotated[_StepOutcome, spelled(get_args(_StepOutcome))]
"""How a step can end."""


class WorkflowStepCondition(Setting):
    """Run only when the earlier steps all succeeded, or one failed, or one warned."""

    type: StepOutcome


class WorkflowStep(Setting):
    """One thing to do when a status is entered, and for which orders (OmniumOrderWorkflowStep).

    An enabling list that is empty lets everything pass; a disabling list always wins.
    """

    name: Name
    connector: str | None = None
    """Which connector it uses, if it calls out."""
    active: Flag = True
    """If false, it is skipped and not reported."""
    run_after_order_is_saved: Flag = False
    continue_on_error: Flag | None = None
    stop_on_error: Flag | None = None
    translate_key: str | None = None
    is_invisible: Flag = False
    enabled_for_markets: Names = ()
    disabled_for_markets: Names = ()
    enabled_for_stores: Names = ()
    disabled_for_stores: Names = ()
    enabled_for_warehouses: Names = ()
    disabled_for_warehouses: Names = ()
    enabled_for_shipment_options: Names = ()
    disabled_for_shipment_options: Names = ()
    enabled_for_tags: Names = ()
    disabled_for_tags: Names = ()
    workflow_step_conditions: TupleOf[WorkflowStepCondition] = ()
    properties: TupleOf[Property] = ()
    group_id: str | None = None
    """If set, the steps of this group stand in its place."""

    def property(self, key: str) -> str | None:
        """Return the value of the step's first property of this name, whatever its case."""
        wanted = key.casefold()
        for item in self.properties:
            if item.key is not None and item.key.casefold() == wanted:
                return item.value
        return None

    def stops_on_error(self) -> bool | None:
        """Tell whether an error ends the run; None leaves it to the kind of step.

        The older continueOnError counts only where stopOnError is absent.
        """
        if self.stop_on_error is not None:
            return self.stop_on_error
        if self.continue_on_error is not None:
            return not self.continue_on_error
        return None


class StepGroup(Setting):
    """Steps that several statuses share; they expand where a step names their group."""

    group_id: Name
    steps: TupleOf[WorkflowStep] = ()


class OrderStatus(Setting):
    """A stage of an order, and what happens when it is entered (OmniumOrderStatus)."""

    name: Name
    order: Whole
    """Sorts the statuses, and says which comes next."""
    workflow_steps: TupleOf[WorkflowStep] = ()
    display_name: str | None = None
    is_main_filter: Flag = False
    condition: str | None = None
    is_canceled_status: Flag = False
    """If true, what is in it is cancelled: it holds no stock, and its lines have a canceledDate."""
    is_delivered_status: Flag = False
    is_in_progress_status: Flag = False
    is_picked: Flag = False
    """If true, a finished pick list moves the order here."""
    shipment_status_update: str | None = None
    """The status that every shipment concerned gets on entry, before the steps run."""
    available_steps: Names = ()
    """The statuses that may follow; advice, unless the policy enforces it."""
    enforce_available_steps_policy: Flag = False
    main_order_status: str | None = None
    """The status that the order takes when all its shipments have this one."""
    translate_key: str | None = None
    update_status_button_is_disabled_in_gui: Flag = False
    properties: TupleOf[Property] = ()
    """Handed to each of its steps, behind the step's own."""


class OrderType(Setting):
    """A kind of order with its own statuses (OmniumOrderType)."""

    name: Name
    order_statuses: Annotated[TupleOf[OrderStatus], distinct("name")]
    enable_edit: Flag = False
    enable_create_from_cart: Flag = False
    """If false, no cart becomes an order of this type."""
    disable_workflow: Flag = False
    """If true, statuses change and no steps run."""
    default_order_type: Flag = False
    """If true, an order without a type is of this one."""
    default_external_id_provider: str | None = None
    order_number_type: str | None = None
    """The number options that number its orders; absent means those of type Order."""
    derive_order_status_from_shipments: Flag = False
    """If true, the order follows its furthest shipment; if not, it waits until all are there."""

    def status(self, name: str | None) -> OrderStatus | None:
        """Return the status of this name, whatever its case."""
        return find(self._statuses, name)

    def initial(self) -> OrderStatus | None:
        """Return the status in which an order begins: the one with the lowest order."""
        return min(self.order_statuses, key=lambda status: status.order, default=None)

    def is_cancelled(self, name: str | None) -> bool:
        """Tell whether the status of this name is one of cancelled orders."""
        status = self.status(name)
        return status is not None and status.is_canceled_status

    def cancelled(self) -> OrderStatus | None:
        """Return the status of a cancelled order: the first that is flagged so."""
        ranked = sorted(self.order_statuses, key=lambda status: status.order)
        return next((status for status in ranked if status.is_canceled_status), None)

    @cached_property
    def _statuses(self) -> dict[str, OrderStatus]:
        return index(self.order_statuses, lambda status: status.name)

    @model_validator(mode="after")
    def _available_steps_exist(self) -> Self:
        known = {status.name.casefold() for status in self.order_statuses}
        faults: list[tuple[Path, str]] = [
            (
                ("orderStatuses", at, "availableSteps", position),
                "expected the name of a status of this order type",
            )
            for at, status in enumerate(self.order_statuses)
            for position, name in enumerate(status.available_steps)
            if name.casefold() not in known
        ]
        if faults:
            raise RuleBroken(faults)
        return self
