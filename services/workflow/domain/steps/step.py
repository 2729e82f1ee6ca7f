"""What a step of a workflow is: what it may look at, how it ends, what undoes it (domain 5.2)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.orders import StepStatus
from contracts.order import Order
from contracts.settings import Configuration, WorkflowStep
from contracts.shipment import Shipment
from services.workflow.domain.order import Run, are_agreed, shipments_in_hand

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may look at."""

    order: Order
    run: Run
    step: WorkflowStep
    now: datetime
    configuration: Configuration
    after_saving: bool = False

    @property
    def shipments(self) -> Sequence[Shipment]:
        """The shipments that the run is about."""
        return shipments_in_hand(self.order, self.run)

    @property
    def is_whole(self) -> bool:
        """Whether it is about the whole order, or about a shipment that the others wait for."""
        form = self.order.order_form
        return self.run.shipment is None or are_agreed((form.shipments if form else None) or ())


@dataclass(frozen=True, slots=True)
class Finished:
    """The step has ended."""

    order: Order | None = None
    status: StepStatus = StepStatus.SUCCESS
    reason: str | None = None
    next_status: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Another service must answer before the run goes on.

    The run waits for one answer to each message. `payment_ids` are the payments whose money an
    abort has to give back; `leaves_nothing` says that an abort has nothing to take back at all.
    """

    messages: Sequence[Message]
    payment_ids: tuple[str, ...] = ()
    leaves_nothing: bool = False


Act = Callable[[Context], Finished | Asked]
TakeBack = Callable[[Order, Sequence[str], Run | None, Configuration], Sequence[Message]]
"""The order, payments, the run that is aborted (none: the order goes for good), the settings."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the registry.

    `cancels` says whether an error ends the run by itself, `releases` whether the step gives back
    what is held of stock.
    """

    name: str
    act: Act
    aliases: tuple[str, ...] = ()
    undo: TakeBack | None = None
    cancels: bool = False
    asks: bool = field(default=False)
    releases: bool = False
