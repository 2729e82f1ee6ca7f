"""Adding payments to an order (S0, add payments)."""

from collections.abc import Mapping
from datetime import datetime

from contracts.fields import LONGEST_LIST
from contracts.messages.orders import AddPayments
from contracts.payment import Payment
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import settle
from services.workflow.domain.change import pricing
from services.workflow.domain.changing import admitted, changed
from services.workflow.domain.order import OrderDocument, with_form
from services.workflow.domain.place import Cause, identified
from services.workflow.domain.run import Progress

ADDED = (310107, "Added")


def add_payments(
    document: OrderDocument | None,
    command: AddPayments,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Append the payments; one with the id of a payment that is there replaces it.

    Of several with one id the last counts. One without an id is always new (domain 1.6 row 32).

    :raises Refused: too-many-entries, and as `admitted` says
    """
    document = admitted(document, command)
    form = document.order.order_form
    stored = (form.payments if form else None) or ()
    known = {payment.id: payment for payment in stored}
    sent = identified([_dated(one, known) for one in command.payments], cause, created=now)
    by_id = {payment.id: payment for payment in sent}
    payments = [by_id.pop(payment.id, payment) for payment in stored] + [*by_id.values()]
    if len(payments) > LONGEST_LIST:
        fault = FieldProblem(
            path="orderForm.payments",
            message=f"expected at most {LONGEST_LIST} entries in the list payments",
            got=str(len(payments)),
        )
        raise Refused(problem("too-many-entries", errors=(fault,)))
    order = settle(
        with_form(document.order, payments=payments), pricing(document.order, configuration)
    )
    return changed(
        document,
        order,
        command,
        cause,
        now=now,
        configuration=configuration,
        operation=ADDED,
        is_priced=False,
    )


def _dated(payment: Payment, known: Mapping[str | None, Payment]) -> Payment:
    """Return the payment with the date of the one that it replaces, where it has none itself."""
    old = known.get(payment.id) if payment.id else None
    if old is None or payment.created is not None:
        return payment
    return payment.model_copy(update={"created": old.created})
