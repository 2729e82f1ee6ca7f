"""What a look at the books finds: differences, each with what to do about it (decided 7.4)."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from contracts.model import Model

MOST: Final = 10_000
"""Differences that one answer lists; of further ones it says only how many there are."""

ADVICE: Final[dict[str, str]] = {
    "stock-inventory": "Correct the record with PUT /api/inventory/UpdateMany after counting.",
    "stock-reserved": "The record and its ledger disagree on what is reserved; find the movement "
    "that the ledger lacks before correcting either.",
    "stock-reservations": "The record says that more or less is reserved than orders hold; run "
    "ReduceReservedInventory on orders that are over, or set reservedInventory.",
    "stock-without-record": "The ledger or a reservation names a record that does not exist; "
    "create it with PUT /api/inventory/UpdateMany.",
    "stock-oversold": "More was promised than there was; find orders to delay or cancel.",
    "reservation-without-order": "Nobody needs what is held; release it.",
    "reservation-differs": "The order and the inventory disagree on what the line holds; run "
    "ReduceReservedInventory, then IncreaseReservedInventory.",
    "closed-order-holds-stock": "A cancelled or aborted order holds stock; run "
    "ReduceReservedInventory.",
    "closed-order-holds-money": "A cancelled or aborted order holds money; run CancelPayments.",
    "cancelled-order-keeps-money": "A cancelled order keeps captured money that it has not earned; "
    "look at the credits that Explain lists, then enter its status again, whose CancelPayments "
    "credits the rest. What was paid back by hand is noted with a payment of type Credit.",
    "aborted-order-keeps-money": "The order's first run was aborted after money was captured; "
    "enter its status again if it shall go on, else a cancelled status, whose CancelPayments gives "
    "the money back.",
    "cancelled-order-overcredited": "More was credited than was captured for a cancelled order; "
    "compare the operations that Explain lists with what the provider says.",
    "payment-held": "The order and the payments service disagree on what is authorized and neither "
    "voided nor captured; compare the operations that Explain lists with the order's payments.",
    "payment-captured": "The order and the payments service disagree on what is captured and not "
    "credited; compare the operations that Explain lists with the order's payments.",
    "operation-not-on-order": "The operation succeeded and the order does not show it; void or "
    "credit it at the provider, or add the payment to the order.",
    "operation-unknown": "Ask the provider what became of it; its id is the Idempotency-Key.",
    "operation-pending": "No answer of the provider was recorded; look at the connector and at the "
    "payments service.",
    "operation-without-order": "Money is held or was taken for an order that does not exist; void "
    "or credit it at the provider.",
    "payment-without-operation": "The order shows a payment that the payments service did not "
    "make; ask the provider for its reference.",
    "version-missing": "An event of the order is not in its history; subscribers may have missed "
    "it.",
    "version-differs": "The order's version and its history disagree; the last event may be "
    "missing.",
    "events-without-order": "The order's history is there and the order is not; restore it from "
    "the last version.",
    "order-without-run": "The order was stored and no run began; post it again under another id.",
    "run-overdue": "The run's deadline has passed and nobody ended it; look at the timers, the "
    "dead letters and the workflow service.",
    "timer-overdue": "Messages are due and nobody sends them; is any service running?",
    "outbox-unsent": "Messages of a committed batch may not have left; start the service, which "
    "sends them again.",
    "delivery-missing": "The endpoint was never sent this event, and there is no delivery to make "
    "again; let the receiver read GET /api/Orders/{id}/Events.",
    "delivery-repeated": "The same version left as two events; the receiver must drop one.",
    "delivery-failed": "The receiver did not take it; once it is well, POST "
    "/api/Webhooks/Deliveries/{id}/Redeliver, or all with Webhooks/Endpoints/{id}/Redeliver.",
    "delivery-pending": "It has been waiting for long; Webhooks/Deliveries/{id} shows the "
    "attempts.",
}
"""Every kind of difference, and what to do about it."""


class Difference(Model):
    """Two places that should say the same and do not."""

    kind: str
    order_id: str | None = None
    sku: str | None = None
    expected: float | str | None = None
    found: float | str | None = None
    advice: str


class Checked(Model):
    """How much was looked at: orders, payment operations, stock records, webhook deliveries."""

    orders: int = 0
    payments: int = 0
    stock: int = 0
    deliveries: int = 0


class Reconciliation(Model):
    """What Reconcile found. An empty list means that the books are right."""

    differences: list[Difference]
    omitted: int = 0
    """Differences that were found and are not listed, because there are far too many."""
    checked: Checked


Value = Decimal | int | str | None
Progress = Callable[[str, int], None]
"""Told after each step: what is being checked, and how many of it have been."""


def _said(value: Value) -> float | str | None:
    return float(value) if isinstance(value, Decimal | int) else value


class Findings:
    """Collects what one look finds, in bounded memory."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._checked: Counter[str] = Counter()
        self._omitted = 0
        self.differences: list[Difference] = []

    def differs(
        self,
        kind: str,
        *,
        order_id: str | None = None,
        sku: str | None = None,
        expected: Value = None,
        found: Value = None,
    ) -> None:
        """Note a difference.

        :param kind: one of `ADVICE`
        """
        if len(self.differences) >= MOST:
            self._omitted += 1
            return
        self.differences.append(
            Difference(
                kind=kind,
                order_id=order_id,
                sku=sku,
                expected=_said(expected),
                found=_said(found),
                advice=ADVICE[kind],
            )
        )

    def checked(self, what: str, number: int) -> None:
        """Count what has been looked at, and tell whoever watches."""
        self._checked[what] += number
        self._progress(what, self._checked[what])

    def result(self) -> Reconciliation:
        """Return what was found."""
        counted = {name: self._checked[name] for name in Checked.model_fields}
        return Reconciliation(
            differences=self.differences, omitted=self._omitted, checked=Checked(**counted)
        )
