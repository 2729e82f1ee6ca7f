"""Return forms: order forms turned around."""

from contracts.fields import Flag, ListOf, OpenObject
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import Amount
from contracts.note import EntityError, ExternalId
from contracts.order_form import OrderForm


class ReturnCharge(Model):
    """A fee of a return, such as for shipping it back (OmniumReturnCharge)."""

    key: str | None = None
    amount: Amount | None = None


class ReturnForm(OrderForm):
    """What came back: lines hold the returned quantity and the reason (OmniumReturnOrderForm)."""

    return_id: str | None = None
    rma_number: str | None = None
    status: str | None = None
    return_type: str | None = None
    return_comment: str | None = None
    store_id: str | None = None
    user_id: str | None = None
    created: Moment = None
    modified: Moment = None
    credit_payment: Flag | None = None
    """If true, the customer gets money back."""
    credit_amount: Amount | None = None
    """How much."""
    return_charges: ListOf[ReturnCharge] | None = None
    claim: OpenObject | None = None
    errors: ListOf[EntityError] | None = None
    external_ids: ListOf[ExternalId] | None = None
    replacement_order_ids: ListOf[str] | None = None
    sent_notification_ids: ListOf[str] | None = None
