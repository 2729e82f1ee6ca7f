"""What every change of an order without a run has in common: when it may be made, how it ends.

A rule for one command looks like this::

    def put_payments(document, command, cause, *, now, configuration):
        order = admitted(document, command).order
        return changed(document, with_form(order, payments=…), command, cause, …)
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

from contracts.messages.orders import ChangeCommand, OrderEvent
from contracts.messages.replies import ORDER
from contracts.order import Order
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import pricing
from services.workflow.domain.order import OrderDocument, Run, order_bytes
from services.workflow.domain.place import Cause, refuse_too_large
from services.workflow.domain.run import Progress

RETRY_AFTER: Final = 1
WITHOUT_WORKFLOW: Final = (310102, "Workflow")
"""operationId and category of a status that was set and ran nothing (domain 5.6)."""

AnyChange = TypeVar("AnyChange", bound=ChangeCommand)
Change_contra = TypeVar("Change_contra", bound=ChangeCommand, contravariant=True)


class Rule(Protocol[Change_contra]):
    """What a change makes of an order."""

    def __call__(
        self,
        document: OrderDocument | None,
        command: Change_contra,
        cause: Cause,
        *,
        now: datetime,
        configuration: Configuration,
    ) -> Progress:
        """Return the changed order, or raise Refused."""


def free(document: OrderDocument | None) -> OrderDocument:
    """Return the order if it is there and no run holds it.

    :raises Refused: order-not-found, order-queued, order-locked
    """
    if document is None:
        raise Refused(problem("order-not-found"))
    if document.run is not None:
        slug = "order-queued" if document.run.is_first else "order-locked"
        raise Refused(problem(slug, retry_after=RETRY_AFTER))
    return document


def admitted(
    document: OrderDocument | None, command: ChangeCommand, *, even_read_only: bool = False
) -> OrderDocument:
    """Return the order if this change may be made now.

    :param even_read_only: for the few writes that a read-only order takes (domain 3 no. 34)
    :raises Refused: order-not-found, order-queued, order-locked, precondition-failed,
        order-read-only
    """
    found = free(document)
    if command.if_match is not None and found.version not in command.if_match:
        raise Refused(problem("precondition-failed"))
    if found.order.is_read_only and not even_read_only:
        raise Refused(problem("order-read-only"))
    return found


def changed(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    order: Order,
    command: ChangeCommand,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
    kinds: Sequence[type[OrderEvent]] = (),
    operation: tuple[int, str] | None = None,
    shape: str = ORDER,
    is_priced: bool = True,
) -> Progress:
    """Close a change: the amounts are calculated anew, and the command gets its answer.

    Where nothing changes by it there is neither a version nor an event; the answer is the same.

    :param order: the stored order with the change
    :param kinds: the events that tell it; none: what `events.conclude` finds by comparing
    :param operation: operationId and category of the first event, where the documents have them;
        a status that changes has its own
    :param shape: of the answer (contracts.messages.replies)
    :param is_priced: whether prices may follow from the change; if not, all amounts stay as they
        are, so that an order that was imported with its totals keeps them (decided 2.5)
    :raises Refused: too-large, when no event could carry the order
    """
    if is_priced:
        order = recalculate(document.order, order, pricing(order, configuration))
    if operation is None and order.status != document.order.status:
        operation = WITHOUT_WORKFLOW
    body = order_bytes(order)
    refuse_too_large(order, max(cause.size, len(body)))
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=order.status or "",
        status_before=document.order.status,
        ignored_fields=command.ignored_fields or None,
        since=now,
        user=command.user,
        origin=command.origin,
    )
    return Progress(
        document.model_copy(update={"order": order}),
        ended=run,
        is_unchanged=body == order_bytes(document.order),
        kinds=tuple(kinds),
        operation=operation,
        shape=shape,
    )
