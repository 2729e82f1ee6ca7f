"""Which steps entering a status runs, and for which orders (domain 2.3, 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.messages.orders import StepStatus
from contracts.order import Order
from contracts.settings import Configuration, OrderStatus, OrderType, WorkflowStep
from services.workflow.domain.order import Run, shipments_in_hand
from services.workflow.domain.steps import requires_all, step_named


@dataclass(frozen=True, slots=True)
class Planned:
    """A step of a status; `group` is the step of the status in whose place it stands."""

    step: WorkflowStep
    group: WorkflowStep | None = None

    @property
    def after_saving(self) -> bool:
        """Whether it runs when the order is saved and the command answered."""
        group = self.group
        return self.step.run_after_order_is_saved or bool(group and group.run_after_order_is_saved)

    def why_not(self, order: Order, run: Run) -> str | None:
        """Say why it does not run for the order as the earlier steps left it; None: it does."""
        for one in (self.group, self.step) if self.group else (self.step,):
            if not one.active:
                return "it is not active"
            if not _in_scope(one, order, run):
                return "the order is not in its scope"
            if not _conditions_hold(one, run):
                return "the earlier results are not those it asks for"
        return None

    def stops(self, status: StepStatus) -> bool:
        """Say whether this outcome ends the run (domain 3 no. 20); a group speaks for its steps.

        Where nothing says so, it does for steps that cancel, and where all is required (decided
        6.1).
        """
        if status is not StepStatus.ERROR:
            return False
        for one in (self.group, self.step):
            configured = one.stops_on_error() if one is not None else None
            if configured is not None:
                return configured
        known = step_named(self.step.name)
        return known is not None and (known.cancels or requires_all(self.step))


def with_workflow(kind: OrderType | None, status: str) -> OrderStatus | None:
    """Return the status of which a run goes through the steps, be they none.

    None where nothing runs: nobody knows the type or its status, or the type wants no workflow.
    """
    if kind is None or kind.disable_workflow:
        return None
    return kind.status(status)


def plan(kind: OrderType | None, status: str, configuration: Configuration) -> tuple[Planned, ...]:
    """Return the active steps of the status in order; a group id stands for the group's steps.

    Inactive steps are left out and not reported (domain 2.3).
    """
    entered = with_workflow(kind, status)
    if entered is None:
        return ()
    steps: list[Planned] = []
    for step in entered.workflow_steps:
        group = configuration.step_group(step.group_id) if step.group_id else None
        if not step.active:
            continue
        if group is None:
            steps.append(Planned(_handed(step, entered)))
        else:
            steps += (
                Planned(_handed(member, entered), step) for member in group.steps if member.active
            )
    return tuple(steps)


def _handed(step: WorkflowStep, status: OrderStatus) -> WorkflowStep:
    """Hand the step the properties of the status, behind its own (domain 2.2)."""
    if not status.properties:
        return step
    return step.model_copy(update={"properties": (*step.properties, *status.properties)})


def _in_scope(step: WorkflowStep, order: Order, run: Run) -> bool:
    shipments = shipments_in_hand(order, run)
    return (
        _passes(step.enabled_for_markets, step.disabled_for_markets, [order.market_id])
        and _passes(step.enabled_for_stores, step.disabled_for_stores, [order.store_id])
        and _passes(step.enabled_for_tags, step.disabled_for_tags, order.tags or [])
        and _passes(
            step.enabled_for_warehouses,
            step.disabled_for_warehouses,
            [shipment.warehouse_code or "" for shipment in shipments],
        )
        and _passes(
            step.enabled_for_shipment_options,
            step.disabled_for_shipment_options,
            [shipment.shipping_method_name or "" for shipment in shipments],
        )
    )


def _passes(enabled: Sequence[str], disabled: Sequence[str], values: Sequence[str]) -> bool:
    """Say whether the lists let the values pass; a disabling one wins, an empty one enables all."""
    if not enabled and not disabled:
        return True
    folded = {value.casefold() for value in values}
    if folded & {value.casefold() for value in disabled}:
        return False
    return not enabled or bool(folded & {value.casefold() for value in enabled})


def _conditions_hold(step: WorkflowStep, run: Run) -> bool:
    """Say whether the earlier results are what the step's conditions ask for (domain 5.1)."""
    said = {result.action_status for result in run.results}
    for condition in step.workflow_step_conditions:
        wanted = StepStatus(condition.type)
        if wanted is StepStatus.SUCCESS:
            if said - {StepStatus.SUCCESS}:
                return False
        elif wanted not in said:
            return False
    return True
