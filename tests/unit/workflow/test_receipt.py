"""Numbers of receipts: each is one sale's, as long as that has it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest

from contracts.messages.orders import PlacePosOrder
from contracts.settings import DEFAULT
from services.chassis.outcomes import Refused
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.receipt import Receipt, place_pos
from services.workflow.domain.run import Progress
from tests.builders import an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = UUID("11111111-1111-1111-1111-111111111111")


def sold(
    receipt: Receipt | None = None, existing: Mapping[str, str] | None = None
) -> tuple[Receipt, Progress]:
    """Place the sale `mine` with the number R-1 beside others, by id with their numbers."""
    orders = {
        id_: OrderDocument(id=id_, order=an_order(id=id_, order_number=number))
        for id_, number in (existing or {}).items()
    }
    order = an_order(id="mine", order_number="R-1", status="Completed")
    command = PlacePosOrder(order_id="mine", order=order, user="till", origin="PUT")
    cause = Cause(COMMAND, "command", 3, size=2_000)
    return place_pos(receipt, orders.get, command, cause, now=NOW, configuration=DEFAULT)


def test_a_number_that_is_nobodys_is_claimed() -> None:
    receipt, progress = sold()

    assert (receipt.id, receipt.order_id) == ("R-1", "mine")
    assert progress.document.order.order_number == "R-1"


@pytest.mark.parametrize(
    "existing", [{"theirs": "R-1"}, {"mine": "R-1"}], ids=["of another", "of itself"]
)
def test_a_number_that_a_sale_has_is_refused(existing: dict[str, str]) -> None:
    (holder,) = existing

    with pytest.raises(Refused) as refused:
        sold(Receipt(id="R-1", order_id=holder, revision=1), existing)

    assert refused.value.problem.slug == "duplicate-order-id"


@pytest.mark.parametrize(
    "existing", [{}, {"theirs": "R-2"}], ids=["deleted for good", "renumbered"]
)
def test_a_number_that_its_sale_has_no_more_is_given_again(existing: dict[str, str]) -> None:
    receipt, _ = sold(Receipt(id="R-1", order_id="theirs", revision=1), existing)

    assert (receipt.id, receipt.order_id, receipt.revision) == ("R-1", "mine", 1)


def test_the_number_is_the_id_where_the_sale_has_none() -> None:
    order = an_order(id="R-1", order_number=None)

    command = PlacePosOrder(order_id="R-1", order=order, user="till", origin="PUT")

    assert command.number == "R-1"
