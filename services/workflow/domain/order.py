"""The documents of the workflow service: the order with its run, and what happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from pydantic import ConfigDict, PrivateAttr
from pydantic.alias_generators import to_camel

from contracts.messages.orders import StepFinished, StepStatus
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import Configuration, WorkflowStep
from contracts.shipment import Shipment
from contracts.stored import order_document, order_model
from contracts.value import Value
from services.chassis.document import Bson, Document
from services.workflow.domain.find import found_by

QUEUED = "Queued"
DELETED = "Deleted"


class Part(Value):
    """A value inside a document."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


class StepResult(Part):
    """What became of a step (S3, action result model)."""

    action_type: str
    action_status: StepStatus
    error_reason: str | None = None
    cancel_workflow: bool = False
    is_invisible: bool = False
    translate_key: str | None = None


class Undo(Part):
    """Something the run did that an abort takes back."""

    step: str
    position: int
    payment_ids: tuple[str, ...] = ()

    def is_void_on_error(self, position: int) -> bool:
        """Say whether an Error of this step leaves nothing to take back.

        A reservation that failed has set nothing aside; what the order held before is to stay.
        """
        return self.position == position and not self.payment_ids


class Asking(Part):
    """What a client wants while the order validator is asked about it (`validate.py`)."""

    type: str
    """Of the command."""
    command: bytes
    """As it came, compressed."""


class Run(Part):
    """One execution of the steps of a status; it stands on the order until it ends.

    `plan` names the steps in order, `position` is the one in hand; where a step moved the order on
    to another status, the steps of that one follow from `begins` on. While a step of another
    service is awaited, `waiting_for` names it and `due` says how many answers make it complete.
    """

    id: str
    command_id: str
    reply_to: int | None = None
    status: str
    status_before: str | None = None
    shipment: int | None = None
    """The place of the one shipment that the run is about; None means the whole order (S3)."""
    is_first: bool = False
    by_hand: WorkflowStep | None = None
    """The one step of a run that a client began by hand; None means those of the status."""
    plan: tuple[str, ...] = ()
    position: int = 0
    begins: int = 0
    depth: int = 0
    initial: str | None = None
    """The status that the run began with, where it has moved on."""
    waiting_for: str | None = None
    due: int = 1
    since: datetime
    deadline: datetime | None = None
    timer: UUID | None = None
    results: tuple[StepResult, ...] = ()
    undo: tuple[Undo, ...] = ()
    next_status: str | None = None
    """The status that a step wants entered when this one's steps are done."""
    reports: tuple[StepFinished, ...] = ()
    """What steps of other services reported and the stored order does not show yet."""
    is_marred: bool = False
    """Whether a step after saving failed meanwhile, which is to be told."""
    ignored_fields: tuple[str, ...] | None = None
    """What the client sent and nobody knows (decided 2.8)."""
    category: str | None = None
    """What the event of a new order says of how it came; None: Created."""
    before: bytes | None = None
    """The order as it was last announced, compressed; only where a later run waits."""
    shape: str | None = None
    """Of the answer (contracts.messages.replies), where that is no workflow execution result."""
    told: tuple[str, ...] | None = None
    """What the log tells of each step, where UseVerboseLogging wants that (S2).

    None where the change has no workflow, so that the log tells of none."""
    asking: Asking | None = None
    """Only where it waits for the order validator: it has no steps then, and nothing to abort."""
    user: str
    origin: str

    @property
    def failed(self) -> bool:
        """Whether a step ended in an error."""
        return any(one.action_status is StepStatus.ERROR for one in self.results)


class History(Part):
    """What a new version of an order must know of the one before (`versions.py`)."""

    digest: bytes
    """Of that version's order as JSON: a difference to it can be read back only with the same."""
    expires: datetime | None = None
    """When the versions go, of which each but the first is a difference to the one before."""


@dataclass(frozen=True, slots=True)
class Reported:
    """An order with what steps have reported, which the stored one does not show yet."""

    stored: Order
    configuration: Configuration
    reports: tuple[StepFinished, ...]
    order: Order

    def follows(
        self, stored: Order, configuration: Configuration, reports: tuple[StepFinished, ...]
    ) -> bool:
        """Say whether it is what comes of the stored order with the first of these reports."""
        return (
            self.stored is stored
            and self.configuration is configuration
            and self.reports == reports[: len(self.reports)]
        )


class Shortage(Part):
    """Lines that wait for stock: a reservation did not find all of what they need (decided 6.1)."""

    since: datetime
    lines: tuple[str, ...]
    """Their ids."""


class OrderDocument(Document):
    """An order as it is kept.

    `version` is the sequence number of its last event. While a run waits the order may be ahead of
    its version: what the run changes is announced when it ends.
    """

    collection: ClassVar[str] = "orders"

    order: Order
    version: int = 0
    run: Run | None = None
    given_up: tuple[str, ...] = ()
    """Steps given up with nothing to take them back: what they report late still counts."""
    shortage: Shortage | None = None
    history: History | None = None
    secret_key_hash: bytes | None = None
    """By which the order is found for whoever knows its secretKey (domain 3 no. 16)."""

    _reported: Reported | None = PrivateAttr(default=None)

    @property
    def reported(self) -> Reported | None:
        """What was worked out for the step before, while the document stays at hand."""
        return self._reported

    def knowing(self, reported: Reported) -> "OrderDocument":
        """Return the document with what was worked out, which is not stored."""
        document = self.model_copy()
        document._reported = reported  # noqa: SLF001 - a private attribute of the same class
        return document

    @property
    def at_hand(self) -> bool:
        """Whether a run waits, so that the next message is on its way."""
        return self.run is not None

    def to_bson(self, only: set[str] | None = None) -> Bson:
        """Return the stored form; a shipment's lines are references (domain 3 no. 48)."""
        stored: Bson = {}
        if only is None or "order" in only:
            stored["order"] = order_document(self.order)
            # What a run changes can be searched for when it ends.
            if only is None or self.run is None:
                stored |= found_by(self.order)
        if only is None:
            stored["_id"] = self.id
        if only is None or "version" in only:
            stored["version"] = self.version
        if (only is None or "run" in only) and self.run is not None:
            stored["run"] = self.run.model_dump(by_alias=True, exclude_none=True)
        if (only is None or "given_up" in only) and self.given_up:
            stored["givenUp"] = self.given_up
        if (only is None or "shortage" in only) and self.shortage is not None:
            stored["shortage"] = self.shortage.model_dump(by_alias=True)
        if (only is None or "history" in only) and self.history is not None:
            stored["history"] = self.history.model_dump(exclude_none=True)
        if (only is None or "secret_key_hash" in only) and self.secret_key_hash is not None:
            stored["secretKeyHash"] = self.secret_key_hash
        return stored

    @classmethod
    def from_bson(cls, stored: Bson) -> "OrderDocument":
        """Read the stored form."""
        run, history = stored.get("run"), stored.get("history")
        shortage = stored.get("shortage")
        return cls.model_construct(
            id=stored["_id"],
            revision=stored["revision"],
            order=order_model(stored["order"]),
            version=stored["version"],
            run=Run.model_validate(run) if run is not None else None,
            given_up=tuple(stored.get("givenUp", ())),
            shortage=Shortage.model_validate(shortage) if shortage is not None else None,
            history=History.model_validate(history) if history is not None else None,
            secret_key_hash=stored.get("secretKeyHash"),
        )


class VersionDocument(Document):
    """One event of an order with the order after it; the order's history and its event log.

    `event` is packed as contracts/history.py says, `base` the version that it is a difference to.
    """

    collection: ClassVar[str] = "order_versions"

    order_id: str
    version: int
    version_id: str
    at: datetime
    type: str
    command_id: str
    status_code: int
    is_aborted: bool = False
    results: tuple[StepResult, ...] = ()
    ignored_fields: tuple[str, ...] | None = None
    told: tuple[str, ...] | None = None
    """A sentence for each step, where UseVerboseLogging wants them; None without a workflow."""
    user: str
    event: bytes
    """As it left the house, the order in it."""
    order_at: int
    """Where in the event the order begins, which goes up to the last brace."""
    base: int | None = None
    expires: datetime | None = None


class Deletion(Document):
    """That an order was removed for good: when, by whom, and nothing of the customer.

    Its id begins with the order's, which may be used again.
    """

    collection: ClassVar[str] = "order_deletions"

    order_id: str
    order_number: str | None = None
    order_type: str | None = None
    market_id: str
    store_id: str
    version: int
    """Of the last event, which told it."""
    created: datetime | None = None
    deleted: datetime
    user: str
    origin: str


_AFTER_SAVING: Final = "/after-saving"


def after_saving(run_id: str) -> str:
    """Return under which id the steps of a run are asked that do not hold it up."""
    return run_id + _AFTER_SAVING


def is_after_saving(run_id: str) -> bool:
    """Say whether a step asked under this id holds no run up."""
    return run_id.endswith(_AFTER_SAVING)


def step_key(run_id: str, position: int) -> str:
    """Return what tells one step of one run from every other."""
    return f"{run_id}/{position}"


def order_bytes(order: Order) -> bytes:
    """Return the order as clients read it."""
    return order.__pydantic_serializer__.to_json(order, by_alias=True, exclude_none=True)


def replaced(order: Order, **changes: object) -> Order:
    """Return the order with these members changed."""
    return order.model_copy(update=changes)


def with_form(order: Order, **changes: object) -> Order:
    """Return the order with these members of its form changed."""
    if order.order_form is None:
        return order
    return order.model_copy(update={"order_form": order.order_form.model_copy(update=changes)})


def with_lines(order: Order, lines: Sequence[OrderLine]) -> Order:
    """Return the order with these lines, which its shipments then refer to.

    A shipment that holds only part of a line keeps its own copy, amounts and all.
    """
    form = order.order_form
    if form is None:
        return order
    old = {line.line_item_id: line for line in form.line_items or ()}
    new = {line.line_item_id: line for line in lines}
    shipments = [
        shipment.model_copy(
            update={
                "line_items": [
                    new[line.line_item_id] if line is old.get(line.line_item_id) else line
                    for line in shipment.line_items or ()
                ]
            }
        )
        for shipment in form.shipments or ()
    ]
    return with_form(order, line_items=list(lines), shipments=shipments)


def shipments_in_hand(order: Order, run: Run) -> Sequence[Shipment]:
    """Return the shipments that a run is about."""
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    return shipments if run.shipment is None else shipments[run.shipment : run.shipment + 1]


def are_agreed(shipments: Sequence[Shipment]) -> bool:
    """Say whether all shipments have the same status."""
    return len({(one.order_status or "").casefold() for one in shipments}) == 1


def appended(items: Sequence[Any] | None, *more: object) -> list[Any]:
    """Return a list of the order with more items; Any: of whatever the list holds."""
    return [*(items or ()), *more]
