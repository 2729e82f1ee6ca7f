"""Numbers of orders: a sequence without gaps, whatever happens to the orders."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages.orders import Numbering, PlaceNumberedOrder
from contracts.order import NewOrder
from contracts.settings import DEFAULT
from services.chassis.outcomes import Refused
from services.workflow.domain.number import NumberSequence, place_numbered, wanted
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = UUID("11111111-1111-1111-1111-111111111111")
ORDERS = Numbering(sequence="order", prefix="ORD-", start=10_000)


def a_command(numbering: Numbering = ORDERS, **changes: object) -> PlaceNumberedOrder:
    members = {"market_id": "NOR", "store_id": "WebShop", "status": "InProgress"}
    return PlaceNumberedOrder(
        command_id=str(COMMAND),
        order=NewOrder.model_validate(members | changes),
        numbering=numbering,
        user="shop",
        origin="PUT /api/Orders",
    )


def numbered(
    command: PlaceNumberedOrder,
    sequence: NumberSequence | None = None,
    existing: Sequence[str] = (),
) -> tuple[NumberSequence, Progress]:
    orders = {id_: OrderDocument(id=id_, order=an_order(id=id_)) for id_ in existing}
    cause = Cause(uuid5(COMMAND, "1"), "command", 3, size=2_000)
    return place_numbered(sequence, orders.get, command, cause, now=NOW, configuration=DEFAULT)


class TestPlacingAnOrderUnderTheNextNumber:
    def test_begins_with_the_start_of_the_sequence(self) -> None:
        sequence, progress = numbered(a_command())

        assert (sequence.id, sequence.last) == ("order", 10_000)
        order = progress.document.order
        assert (order.id, order.order_number) == ("ORD-10000", "ORD-10000")
        assert progress.document.id == "ORD-10000"

    def test_keeps_the_id_that_the_order_brings(self) -> None:
        _, progress = numbered(a_command(id="mine"))

        order = progress.document.order
        assert (order.id, order.order_number) == ("mine", "ORD-10000")

    @pytest.mark.parametrize(
        ("last", "start", "increment", "following"),
        [(10_000, 10_000, 1, 10_001), (7, 10_000, 1, 10_000), (7, 1, 5, 12)],
    )
    def test_follows_the_last_by_the_increment_but_never_before_the_start(
        self, last: int, start: int, increment: int, following: int
    ) -> None:
        numbering = ORDERS.model_copy(update={"start": start, "increment": increment})
        before = NumberSequence(id="order", last=last)

        sequence, progress = numbered(a_command(numbering), before)

        assert sequence.last == following
        assert progress.document.order.order_number == f"ORD-{following}"

    def test_passes_over_what_is_the_id_of_an_order(self) -> None:
        sequence, progress = numbered(
            a_command(id="mine"), existing=["ORD-10000", "ORD-10001", "ORD-10003"]
        )

        assert sequence.last == 10_002
        assert progress.document.order.order_number == "ORD-10002"

    def test_is_refused_for_an_id_that_is_taken(self) -> None:
        with pytest.raises(Refused) as refused:
            numbered(a_command(id="mine"), existing=["mine"])

        assert refused.value.problem.slug == "duplicate-order-id"

    @pytest.mark.parametrize(
        "changes", [{"prefix": "2026/"}, {"suffix": "x" * 130}, {"validation_regex": r"^\d+$"}]
    )
    def test_is_refused_when_the_settings_make_no_valid_number(
        self, changes: dict[str, object]
    ) -> None:
        with pytest.raises(Refused) as refused:
            numbered(a_command(ORDERS.model_copy(update=changes)))

        assert refused.value.problem.slug == "number-not-valid"


class TestWhatMustBeKnownOfTheNextNumbers:
    @settings(deadline=None)
    @given(
        taken=st.sets(st.integers(1, 60)),
        quantity=st.integers(1, 10),
        last=st.none() | st.integers(0, 20),
    )
    def test_suffices_to_give_all_of_them(
        self, taken: set[int], quantity: int, last: int | None
    ) -> None:
        numbering = Numbering(sequence="s", start=1)
        sequence = None if last is None else NumberSequence(id="s", last=last)
        known: dict[str, bool] = {}
        rounds = 0

        while asked := list(wanted(sequence, numbering, quantity, is_taken=known.get)):
            rounds += 1
            known |= {number: int(number) in taken for number in asked}

        free = [int(number) for number, is_taken in known.items() if not is_taken]
        first = max(1, 1 if last is None else last + 1)
        expected = [n for n in range(first, first + 200) if n not in taken][:quantity]
        assert sorted(free)[:quantity] == expected
        assert rounds <= 8

    def test_is_one_number_for_one_order(self) -> None:
        asked = list(wanted(None, ORDERS, 1, is_taken=lambda _: None))

        assert asked == ["ORD-10000"]
