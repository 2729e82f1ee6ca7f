"""Patching an order: some members, and what becomes of its lists (S0, patch order)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from contracts.messages.orders import PatchOrder
from contracts.messages.replies import counted
from contracts.order import Order
from contracts.order_patch import OrderPatch, cleared_path
from contracts.payment import Payment, PaymentPatch
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted
from services.workflow.domain.merge import Stays, cleared, patched, without_properties
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.revise import closed, places, revised
from services.workflow.domain.run import Progress

_BY_API: Final = (310100, "Updated")


def patch_order(
    document: OrderDocument | None,
    command: PatchOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Clear what `forceUpdate` names, take away properties, then lay the patch over the order.

    A status is stored and told, and runs no workflow (domain 3 no. 11).

    :raises Refused: validation-failed, status-not-available, and as `admitted` says
    """
    patch = command.patch
    document = admitted(document, command, even_read_only=patch.is_read_only is False)
    before = document.order
    _refuse_incomplete(before, patch)
    after = before
    for name in patch.force_update or ():
        after = cleared(after, [member for _, member in cleared_path(name)])
    after = without_properties(after, patch.properties_removal_conditions or ())
    after = patched(after, patch, _stays(patch))
    after = revised(
        before,
        after,
        cause,
        now=now,
        configuration=configuration,
        sent=places(patch.order_form.line_items if patch.order_form else None, _LINES),
        frees_lines=True,
    )
    progress = closed(
        document,
        after,
        command,
        cause,
        now=now,
        configuration=configuration,
        operation=_BY_API if after.status == before.status else None,
        shape=counted(total=1, updated=1),
    )
    if progress.is_unchanged:
        return replace(progress, shape=counted(total=1, updated=0))
    return progress


_LINES: Final = "orderForm.lineItems"


def _stays(patch: OrderPatch) -> Stays:
    """Return whether entries that the patch does not name stay; they do unless it says so."""
    others = patch.keep_existing_list_items is not False
    properties = patch.keep_existing_custom_properties is not False
    return Stays(properties=properties, lines=others, others=others)


def _refuse_incomplete(before: Order, patch: OrderPatch) -> None:
    """Let no payment in that is new and has not all that a payment must have.

    :raises Refused: validation-failed
    """
    form = before.order_form
    faults = list(
        _incomplete(
            patch.order_form.payments if patch.order_form else None,
            form.payments if form else None,
            "orderForm.payments",
        )
    )
    known = {one.return_id: one for one in before.return_order_forms or ()}
    for at, returned in enumerate(patch.return_order_forms or ()):
        old = known.get(returned.return_id)
        path = f"returnOrderForms[{at}].payments"
        faults += _incomplete(returned.payments, old.payments if old else None, path)
    if faults:
        raise Refused(problem("validation-failed", errors=tuple(faults)))


def _incomplete(
    patches: Iterable[PaymentPatch] | None, payments: Iterable[Payment] | None, path: str
) -> Iterator[FieldProblem]:
    known = {payment.id for payment in payments or ()} - {None}
    for at, patch in enumerate(patches or ()):
        if patch.id in known:
            continue
        for name, info in Payment.model_fields.items():
            if info.is_required() and getattr(patch, name) is None:
                wire = info.alias or name
                yield FieldProblem(
                    path=f"{path}[{at}].{wire}", message="is required of a new payment"
                )
