"""Patching lines of an order, each by its id (S0, patch order lines)."""

from datetime import datetime
from typing import Final

from contracts.messages.orders import PatchOrderLines
from contracts.messages.replies import counted
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.cancel_order import more_cancelled
from services.workflow.domain.changing import admitted
from services.workflow.domain.merge import Stays, patched
from services.workflow.domain.order import OrderDocument, with_form
from services.workflow.domain.place import Cause
from services.workflow.domain.revise import closed, places, revised
from services.workflow.domain.run import Progress

_BY_API: Final = (310104, "Updated")


def patch_lines(
    document: OrderDocument | None,
    command: PatchOrderLines,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Lay each patch over its line, one after the other; the answer counts lines (decided 3.5).

    :raises Refused: order-line-not-found, when the order has none of them; validation-failed, and
        as `admitted` says
    """
    document = admitted(document, command)
    before = document.order
    stored = list((before.order_form.line_items if before.order_form else None) or ())
    at = {line.line_item_id: place for place, line in enumerate(stored)}
    lines = list(stored)
    for patch in command.lines:
        if patch.line_item_id in at:
            place = at[patch.line_item_id]
            lines[place] = patched(lines[place], patch, Stays())
    unknown = [patch for patch in command.lines if patch.line_item_id not in at]
    if command.lines and len(unknown) == len(command.lines):
        faults = tuple(
            FieldProblem(
                path=f"[{place}].lineItemId",
                message="expected the id of a line of this order",
                got=patch.line_item_id[:64],
            )
            for place, patch in enumerate(command.lines)
        )
        raise Refused(problem("order-line-not-found", errors=faults))
    after = revised(
        before,
        with_form(before, line_items=lines),
        cause,
        now=now,
        configuration=configuration,
        sent=places(command.lines, ""),
        frees_lines=True,
    )
    changed = {line.line_item_id for place, line in enumerate(lines) if line != stored[place]}
    updated = sum(patch.line_item_id in changed for patch in command.lines)
    cancels = any(more_cancelled(*pair) for pair in zip(stored, lines, strict=True))
    return closed(
        document,
        after,
        command,
        cause,
        now=now,
        configuration=configuration,
        operation=None if cancels else _BY_API,
        shape=counted(total=len(command.lines), updated=updated, not_found=len(unknown)),
    )
