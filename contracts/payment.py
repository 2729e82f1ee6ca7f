"""Payments: each entry is one transaction with a provider."""

from typing import Annotated, Literal, get_args

from contracts.fields import Flag, ListOf, Said, spelled
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import Amount
from contracts.note import ExternalId, PropertyItem

_TransactionType = Literal[
    "Authorization",
    "Capture",
    "Sale",
    "Credit",
    "Invoiced",
    "Void",
    # The rest only the system sets, but a client sends back what it was given.
    "AwaitingAuthorization",
    "ReleaseRemainingAuthorization",
    "Settlement",
    "SettlementFee",
    "SettlementRefund",
    "Bookkeeping",
    "CreditBookkeeping",
]
TransactionType = Annotated[
    _TransactionType, spelled(get_args(_TransactionType), Capture="Captured")
]
"""What a transaction did or is to do with the money."""

_PaymentStatus = Literal["Processed", "Failed", "Pending", "Paid", "Approved"]
PaymentStatus = Annotated[_PaymentStatus, spelled(get_args(_PaymentStatus))]
"""How far a transaction is."""


class PaymentLineReference(Model):
    """A line that a payment is for (OmniumPaymentOrderLineReference)."""

    line_item_id: str | None = None


class PaymentPatch(Model):
    """Some members of a payment; its id says of which."""

    amount: Amount | None = None
    payment_method_name: str | None = None
    transaction_id: str | None = None
    transaction_type: TransactionType | None = None
    status: PaymentStatus | None = None
    id: str | None = None
    payment_type: str | None = None
    authorization_code: str | None = None
    authorization_expires: Moment = None
    created: Moment = None
    paid_date: Moment = None
    comment: str | None = None
    reason: str | None = None
    customer_name: str | None = None
    internal_reference: str | None = None
    invoice_id: str | None = None
    store_id: str | None = None
    shipment_id: str | None = None
    is_manually_added: Flag | None = None
    properties: ListOf[PropertyItem] | None = None
    external_ids: ListOf[ExternalId] | None = None
    order_line_references: ListOf[PaymentLineReference] | None = None
    # Obsolete; kept as sent.
    payment_id: str | None = None
    payment_method_id: str | None = None
    implementation_class: str | None = None
    validation_code: str | None = None


class Payment(PaymentPatch):
    """One payment transaction (OmniumPayment)."""

    amount: Amount
    payment_method_name: Said
    transaction_id: str
    transaction_type: TransactionType
    status: PaymentStatus
