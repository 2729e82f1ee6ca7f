"""One run of the automations after the other, for ever, and never two at once.

A run is begun by a `RunAutomations`, goes on from look to look, each at a page of candidates, and
ends with the next one's message, which is delayed (services/decisions/0011).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from contracts.messages.orders import AutomateOrder, RunAutomations
from contracts.settings import Configuration, OrderAutomation
from services.chassis.document import Document
from services.chassis.outcomes import Ignore
from services.workflow.domain.automate import BACK_IN_STOCK, acting, pace
from services.workflow.domain.order import Part

RUNS: Final = "automations"
"""The id of the one document of its kind, and what the looks have in common."""
LATE: Final = timedelta(seconds=10)
"""How long the message of the next run may be on its way before it is taken for lost."""
LOST: Final = timedelta(minutes=10)
"""How long a look may take: longer than a process that died is waited for, several times over."""
_PAGE: Final = 100
_LARGEST_PAGE: Final = 500
_MOST_PROMISED: Final = 10_000
"""Stock records of which a run remembers what it has promised; behind them the next one goes on."""


class NotNow(Ignore):
    """The run was begun by another message, or there is nothing to do any more."""


class Position(Part):
    """A place in the line of all candidates: behind this order of this automation."""

    automation: OrderAutomation
    created: datetime
    order_id: str


class AutomationRuns(Document):
    """The last run: its number, whether it has ended, and how far the looks have come."""

    collection: ClassVar[str] = "automation_runs"

    number: int
    has_ended: bool = False
    at: datetime
    """When it was last heard of."""
    position: Position | None = None
    """None: at the beginning."""


class Look(Part):
    """A look at the next candidates of a run in which so many were looked at before.

    `promised` is what the orders found before are to have of each stock record: it is still there,
    since they come to reserve it later than the run comes to its next page.
    """

    run: int
    position: Position | None = None
    seen: int = 0
    promised: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look has found: the orders to move on, and from which place the next one goes on.

    Without a place there was nobody left to look at. `promised` is what these orders, too, are to
    have.
    """

    commands: Sequence[AutomateOrder] = ()
    seen: int = 0
    position: Position | None = None
    promised: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a look: another one of the run, or the next run at this time, or nothing."""

    runs: AutomationRuns
    look: Look | None = None
    run: RunAutomations | None = None
    due: datetime | None = None


def missing(
    runs: AutomationRuns | None, *, interval: timedelta, now: datetime
) -> RunAutomations | None:
    """Return the message that should have begun a run by now, if there is one.

    None has begun yet, the settings have brought it forward, or it went lost with what was to send
    it. One that is only late is sent twice then, and the second has no effect.
    """
    if runs is None:
        return RunAutomations(number=1)
    patience = interval + LATE if runs.has_ended else LOST
    return RunAutomations(number=runs.number + 1) if now - runs.at > patience else None


def begin(
    runs: AutomationRuns | None,
    message: RunAutomations,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[AutomationRuns, Look]:
    """Begin the next run, where the last one has stopped looking.

    :raises NotNow: if this message is not the first of its number, or nothing is left to do
    """
    before = runs or AutomationRuns(id=RUNS, number=0, at=now)
    if message.number != before.number + 1 or pace(configuration) is None:
        raise NotNow
    begun = before.model_copy(update={"number": message.number, "has_ended": False, "at": now})
    return begun, Look(run=begun.number, position=begun.position)


def go_on(
    runs: AutomationRuns | None,
    look: Look,
    looked: Looked,
    *,
    now: datetime,
    configuration: Configuration,
) -> Next | None:
    """Return what follows: the run goes on until it has seen all, or as many as one may.

    The next one begins where this one was stopped, so that nobody is always behind the last. None:
    this run was taken for lost, and another has begun meanwhile.
    """
    if runs is None or runs.number != look.run:
        return None
    seen = look.seen + looked.seen
    settings = configuration.order_settings.order_automation_settings
    runs = runs.model_copy(update={"at": now, "position": looked.position})
    may_go_on = (
        seen < settings.max_orders_to_process_per_run and len(looked.promised) <= _MOST_PROMISED
    )
    if looked.position is not None and may_go_on:
        following = Look(
            run=look.run, position=looked.position, seen=seen, promised=looked.promised
        )
        return Next(runs, look=following)
    ended = runs.model_copy(update={"has_ended": True})
    interval = pace(configuration)
    if interval is None:
        return Next(ended)
    return Next(ended, run=RunAutomations(number=look.run + 1), due=now + interval)


def from_here(
    position: Position | None, configuration: Configuration
) -> Iterator[tuple[OrderAutomation, Position | None]]:
    """Yield the automations from this place on, and behind whom each is to be looked at.

    An automation that is there no more has lost its place: then all are looked at again.
    """
    automations = acting(configuration)
    if position is not None and position.automation in automations:
        yield position.automation, position
        automations = automations[automations.index(position.automation) + 1 :]
    for automation in automations:
        yield automation, None


def page_size(automation: OrderAutomation, look: Look, configuration: Configuration) -> int:
    """Return how many orders to look at together."""
    settings = configuration.order_settings.order_automation_settings
    usual = settings.back_in_stock_batch_size if automation.condition == BACK_IN_STOCK else _PAGE
    return max(1, min(usual, _LARGEST_PAGE, settings.max_orders_to_process_per_run - look.seen))
