"""One run of a scheduled task after the other, and never two at once (domain 2.14).

A run is begun by a `RunScheduledTask`, goes on from look to look, each at a page of candidates, and
ends with the next one's message, which is delayed (services/decisions/0011).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from contracts.messages.orders import (
    AutomateOrder,
    EraseOrder,
    RunAutomations,
    RunCleanUp,
    RunReservations,
    RunScheduledTask,
    TryReserveOrderLines,
)
from contracts.settings import (
    DELETE_OLD,
    ORDER_AUTOMATION,
    TRY_RESERVE,
    Configuration,
    OrderAutomation,
)
from services.chassis.document import Document
from services.chassis.outcomes import Ignore
from services.workflow.domain import automate, clean_up, try_reserve
from services.workflow.domain.automate import BACK_IN_STOCK, acting
from services.workflow.domain.order import Part

TASKS: Final[Mapping[str, type[RunScheduledTask]]] = {
    one.task: one for one in (RunAutomations, RunReservations, RunCleanUp)
}
"""The scheduled tasks that are run, each with the message that begins a run of it."""
_PACES: Final[Mapping[str, Callable[[Configuration], timedelta | None]]] = {
    ORDER_AUTOMATION: automate.pace,
    TRY_RESERVE: try_reserve.pace,
    DELETE_OLD: clean_up.pace,
}
LATE: Final = timedelta(seconds=10)
"""How long the message of the next run may be on its way before it is taken for lost."""
LOST: Final = timedelta(minutes=10)
"""How long a look may take: longer than a process that died is waited for, several times over."""
_PAGE: Final = 100
_MOST: Final = 1000
"""Orders to delete in one run."""
_ALL: Final = 10**9
_LARGEST_PAGE: Final = 500
_MOST_PROMISED: Final = 10_000
"""Stock records of which a run remembers what it has promised; behind them the next one goes on."""


class NotNow(Ignore):
    """The run was begun by another message, or there is nothing to do any more."""


class Position(Part):
    """A place in the line of all candidates: behind this order, and which automation's it is."""

    automation: OrderAutomation | None = None
    at: datetime
    """Since when the order is in line."""
    order_id: str


class ScheduledRuns(Document):
    """The last run of a task: its number, whether it has ended, how far the looks have come.

    Its id is the task's name.
    """

    collection: ClassVar[str] = "scheduled_runs"

    number: int
    has_ended: bool = False
    at: datetime
    """When it was last heard of."""
    position: Position | None = None
    """None: at the beginning."""


class Look(Part):
    """A look at the next candidates of a task's run in which so many were looked at before.

    `promised` is what the orders found before are to have of each stock record: it is still there,
    since they come to reserve it later than the run comes to its next page.
    """

    task: str = ORDER_AUTOMATION
    run: int
    position: Position | None = None
    seen: int = 0
    promised: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look has found: what is to be done, and from which place the next one goes on.

    Without a place there was nobody left to look at. `promised` is what these orders, too, are to
    have.
    """

    commands: Sequence[AutomateOrder | TryReserveOrderLines | EraseOrder] = ()
    seen: int = 0
    position: Position | None = None
    promised: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a look: another one of the run, or the next run at this time, or nothing."""

    runs: ScheduledRuns
    look: Look | None = None
    run: RunScheduledTask | None = None
    due: datetime | None = None


def missing(
    task: str, runs: ScheduledRuns | None, *, interval: timedelta, now: datetime
) -> RunScheduledTask | None:
    """Return the message that should have begun a run by now, if there is one.

    None has begun yet, the settings have brought it forward, or it went lost with what was to send
    it. One that is only late is sent twice then, and the second has no effect.
    """
    if runs is None:
        return TASKS[task](number=1)
    patience = interval + LATE if runs.has_ended else LOST
    if now - runs.at <= patience:
        return None
    return TASKS[task](number=runs.number + 1)


def begin(
    runs: ScheduledRuns | None,
    message: RunScheduledTask,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[ScheduledRuns, Look]:
    """Begin the next run, where the last one has stopped looking.

    :raises NotNow: if this message is not the first of its number, or nothing is left to do
    """
    before = runs or ScheduledRuns(id=message.task, number=0, at=now)
    if message.number != before.number + 1 or pace(message.task, configuration) is None:
        raise NotNow
    begun = before.model_copy(update={"number": message.number, "has_ended": False, "at": now})
    return begun, Look(task=begun.id, run=begun.number, position=begun.position)


def go_on(
    runs: ScheduledRuns | None,
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
    runs = runs.model_copy(update={"at": now, "position": looked.position})
    may_go_on = seen < _most(look.task, configuration) and len(looked.promised) <= _MOST_PROMISED
    if looked.position is not None and may_go_on:
        changes = {"position": looked.position, "seen": seen, "promised": looked.promised}
        return Next(runs, look=look.model_copy(update=changes))
    ended = runs.model_copy(update={"has_ended": True})
    interval = pace(look.task, configuration)
    if interval is None or (look.task == TRY_RESERVE and not seen and look.position is None):
        return Next(ended)  # with nothing to do, or nobody in line, it can rest
    following = TASKS[look.task](number=look.run + 1)
    return Next(ended, run=following, due=now + interval)


def pace(task: str, configuration: Configuration) -> timedelta | None:
    """Return how long after a run of the task the next one begins; None while it has none."""
    return _PACES[task](configuration)


def _most(task: str, configuration: Configuration) -> int:
    if task == TRY_RESERVE:
        return _ALL  # whoever came first is first in every run, so that must reach the last, too
    if task == DELETE_OLD:
        return _MOST
    settings = configuration.order_settings.order_automation_settings
    return settings.max_orders_to_process_per_run


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


def page_size(automation: OrderAutomation | None, look: Look, configuration: Configuration) -> int:
    """Return how many orders to look at together."""
    settings = configuration.order_settings.order_automation_settings
    is_about_stock = automation is not None and automation.condition == BACK_IN_STOCK
    usual = settings.back_in_stock_batch_size if is_about_stock else _PAGE
    return max(1, min(usual, _LARGEST_PAGE, _most(look.task, configuration) - look.seen))
