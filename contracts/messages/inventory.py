"""Messages owned by the inventory service."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Final

from pydantic import Field

from contracts.fields import NOT_BLANK, Flag, ListOf
from contracts.message import Message
from contracts.messages.orders import OrderMessage
from contracts.model import Model
from contracts.money import LARGEST, Amount
from contracts.note import PropertyItem

COMMANDS: Final = "inventory.commands"
EVENTS: Final = "inventory.events"


class StockLine(Model):
    """Some units of one SKU for one line of an order, at the warehouse that sends them."""

    line_item_id: str
    sku: str
    warehouse_code: str
    quantity: Amount
    shipment_id: str | None = None


class ReserveStock(OrderMessage):
    """Set aside what is there for each line, in this order; answered with StepFinished.

    The order then holds of each line named here that quantity at that warehouse, or what there is:
    what the line held before counts, and what it held elsewhere or too much is given back
    (decided 6.3). Lines that are not named keep what they hold. A SKU without a record counts as no
    stock. What is short makes the step a Warning, or with `require_all` an Error that changes
    nothing (decided 6.1).
    """

    type: ClassVar[str] = "inventory.reserve_stock"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
    lines: tuple[StockLine, ...]
    require_all: bool = False


class TopUpLine(StockLine):
    """A line that is to hold its quantity in the end, and now takes at most so many more."""

    most: Amount


class TopUpReservation(OrderMessage):
    """Set aside what there is for lines that hold too little; answered with StepFinished.

    Nothing is given back, and what stays short is tried again some time: that is no Warning.
    """

    type: ClassVar[str] = "inventory.top_up_reservation"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
    lines: tuple[TopUpLine, ...]


class ReleaseStock(OrderMessage):
    """Give back all that the order still holds.

    Goods that have left are not held, so they stay away. Answered with StepFinished when a step of
    a run waits for it; an undo waits for nothing.
    """

    type: ClassVar[str] = "inventory.release_stock"
    topic: ClassVar[str] = COMMANDS

    run_id: str | None = None
    step: int | None = None
    shipment_ids: tuple[str, ...] | None = None
    """Only these shipments' lines; None means all of the order."""


class KeptUnits(Model):
    """How many units one line of one shipment may go on holding."""

    line_item_id: str
    shipment_id: str | None = None
    quantity: Amount


class ReleaseUnits(OrderMessage):
    """Give back what these lines hold beyond what they may keep.

    It takes no more stock, and lines that are not named keep what they hold. Answered with
    StepFinished where somebody wants to hear what the order holds now.
    """

    type: ClassVar[str] = "inventory.release_units"
    topic: ClassVar[str] = COMMANDS

    run_id: str | None = None
    step: int | None = None
    lines: tuple[KeptUnits, ...]


class ForgetReservation(OrderMessage):
    """Give back all that the order still holds, and forget that there was an order.

    An order that later gets the same id begins with nothing held and nothing gone (decided 2.3).
    """

    type: ClassVar[str] = "inventory.forget_reservation"
    topic: ClassVar[str] = COMMANDS


class RenameReservedLines(OrderMessage):
    """The order's lines have other ids now; what they hold, and what of them has left, stays."""

    type: ClassVar[str] = "inventory.rename_reserved_lines"
    topic: ClassVar[str] = COMMANDS

    line_item_ids: dict[str, str]
    """The new id by the old one; all change at once."""


class ReduceStock(OrderMessage):
    """Take the goods of these shipment lines out of stock and out of the reservation, once each.

    Once per order, shipment and line; a repeat makes the step a Warning (WS, ReduceInventory), and
    so does what is neither held for the line nor free for it. Afterwards the line holds nothing. A
    negative quantity comes back into stock (decided 6.3, POS). Answered with StepFinished, with the
    cost of a unit of each line where stock knows it.
    """

    type: ClassVar[str] = "inventory.reduce_stock"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
    lines: tuple[StockLine, ...]


class AvailableToPromise(Model):
    """What a delivery will bring (OmniumInventoryAtp)."""

    date: datetime | None = None
    quantity: Amount | None = None
    reserved_quantity: Amount | None = None
    available_quantity: Amount | None = None
    delivery_id: str | None = None
    purchase_order_id: str | None = None
    purchase_order_line_id: str | None = None


_MOST: Final = int(LARGEST) // 2
Count = Annotated[Amount, Field(ge=-_MOST, le=_MOST)]
"""A quantity in stock; the difference of any two is an amount, too."""


class StockItem(Model):
    """What a client says of one stock record: absolute numbers (S1, UpdateMany; domain 4.7).

    `sku` and `warehouse_code` say which record. A warehouse code has no `@`, because a record's
    name is `sku@warehouse`.
    """

    sku: Annotated[str, Field(min_length=1, max_length=256), NOT_BLANK]
    warehouse_code: Annotated[str, Field(pattern=r"^[^@]{1,256}$"), NOT_BLANK]
    inventory: Count | None = None
    reserved_inventory: Annotated[Count, Field(ge=0)] | None = None
    cost: Amount | None = None
    cost_currency: str | None = None
    location: str | None = None
    min_quantity: Amount | None = None
    max_quantity: Amount | None = None
    reorder_min_quantity: Amount | None = None
    is_virtual: Flag | None = None
    """Always enough: reservations are counted, but never refused, and nothing is taken out."""
    physical_warehouse_code: str | None = None
    properties: ListOf[PropertyItem] | None = None
    atp: ListOf[AvailableToPromise] | None = None


class SetStock(Message):
    """Store these records: new ones are added, unchanged ones are skipped.

    The members of an item replace those of its record (S1, UpdateMany is a full replace), save for
    the quantities: an inventory that is not named stays, the reserved quantity stays unless
    `overwrite_reserved`. An inventory below the reserved quantity is taken as the truth; nothing
    can be reserved then until there is more. Answered on `replies` with a StockUpdateResult.
    """

    type: ClassVar[str] = "inventory.set_stock"
    topic: ClassVar[str] = COMMANDS

    command_id: str
    items: tuple[StockItem, ...]
    overwrite_reserved: bool = False
    user: str

    @property
    def key(self) -> str:
        """The command: its items may belong to many orders' lines."""
        return self.command_id


class StockUpdateResult(Model):
    """What became of the items of a SetStock (named as in OmniumOrderPatchUpdateResult).

    A record that is added counts as updated; none is ever missing, and a bad item refuses the whole
    list before it gets here (decided 2.4).
    """

    is_modified: bool
    total_count: int
    updated_count: int
    unchanged_count: int
    not_found_count: int = 0
    error_count: int = 0


class StockEvent(Message):
    """A stock record changed; subject `sku@warehouse`, sequence its version.

    One event tells all that changed at once; `…_change` is the difference to the event before.
    """

    topic: ClassVar[str] = EVENTS

    sku: str
    warehouse_code: str
    sequence: int
    timestamp: datetime
    inventory: Amount
    reserved_inventory: Amount
    available_inventory: Amount
    inventory_change: Amount = Decimal(0)
    reserved_inventory_change: Amount = Decimal(0)

    @property
    def key(self) -> str:
        """The stock record."""
        return f"{self.sku}@{self.warehouse_code}"

    @property
    def sequence_number(self) -> int | None:
        """The stock record's version."""
        return self.sequence


class InventoryUpdated(StockEvent):
    """The quantity in stock changed, or what else is known of the record."""

    type: ClassVar[str] = "inventory.updated"


class InventoryReserved(StockEvent):
    """More of the stock is set aside, and the quantity in stock is the same."""

    type: ClassVar[str] = "inventory.reserved"


class InventoryReleased(StockEvent):
    """Less of the stock is set aside, and the quantity in stock is the same."""

    type: ClassVar[str] = "inventory.released"


STOCK_EVENTS: Final[tuple[type[StockEvent], ...]] = (
    InventoryUpdated,
    InventoryReserved,
    InventoryReleased,
)
