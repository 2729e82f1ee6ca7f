"""Versions are kept as differences, and every one of them can be read back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import NAMESPACE_OID, uuid5

import bson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from contracts.history import Version, first_of_span, unpacked, version_key
from contracts.messages.orders import OrderUpdated
from contracts.note import Comment, ExternalId, PropertyItem
from contracts.order import Order
from contracts.settings import DEFAULT
from services.chassis.mongo import CODEC, Bson
from services.workflow.domain.calculate import calculate
from services.workflow.domain.change import pricing
from services.workflow.domain.events import Told, conclude
from services.workflow.domain.order import (
    History,
    OrderDocument,
    Run,
    VersionDocument,
    order_bytes,
    replaced,
    with_lines,
)
from services.workflow.domain.run import Progress
from services.workflow.domain.versions import LASTS, linked, packed, secret_key_hash
from tests.builders import a_form, a_line, a_shipment, an_order, the_reference_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Written:
    """A version as its writer meant it, and as it is kept."""

    event: bytes
    order: bytes
    at: datetime
    kept_days: int | None
    kept: Bson


class Writer:
    """Keeps the versions of one order as the workflow service does."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.history: History | None = None

    def keep(
        self,
        told: Sequence[Told],
        *,
        before: bytes | None,
        at: datetime = NOW,
        kept_days: int | None = None,
    ) -> None:
        links, self.history = linked(told, self.history, before=before, now=at, kept_days=kept_days)
        for one, link in zip(told, links, strict=True):
            event = one.event
            whole = event.carrying(one.order).sealed(uuid5(NAMESPACE_OID, one.version_id))
            version = VersionDocument(
                id=version_key(event.order_id, event.sequence),
                order_id=event.order_id,
                version=event.sequence,
                version_id=one.version_id,
                at=at,
                type=event.type,
                command_id="0198c0de-0000-7000-8000-000000000001",
                status_code=200,
                user="shop",
                event=packed(whole, link.base),
                order_at=len(whole) - len(one.order) - 1,
                base=None if link.base is None else event.sequence - 1,
                expires=link.expires,
            )
            kept = bson.encode({**version.to_bson(), "revision": 1}, codec_options=CODEC)
            stored = bson.decode(kept, codec_options=CODEC) | {"size": len(kept)}
            self.written.append(Written(whole, one.order, at, kept_days, stored))

    def read(self, number: int, *, at: datetime = NOW) -> Version | None:
        """Read a version as the api does, of what has not expired at this time."""
        before: Version | None = None
        for one in self.written[first_of_span(number) - 1 : number]:
            expires = one.kept.get("expires")
            if expires is None or expires > at:
                before = unpacked(one.kept, before)
        return before if before is not None and before.number == number else None


def changes_of(order: Order) -> Iterator[Order]:
    """Yield the order as everyday changes make it, one after the other."""
    statuses = ("InProgress", "PackedAndReady", "Ship", "Completed", "New")
    for number in range(100):
        form = order.order_form
        assert form is not None
        secret = sha256(b"%d" % number).hexdigest()
        match number % 6:
            case 0:
                order = replaced(order, tags=[*(order.tags or ()), f"tag{number}"])
            case 1:
                item = PropertyItem(key=f"erp{number}", value=secret[:32])
                order = replaced(order, properties=[*(order.properties or ()), item])
            case 2:
                order = replaced(order, status=statuses[number // 6 % 5])
            case 3:
                note = Comment(id=secret[:16], detail=f"Called the customer, said {secret}")
                order = replaced(order, order_notes=[*(order.order_notes or ()), note])
            case 4:
                external = ExternalId(provider_name=f"p{number}", id=secret[:12])
                order = replaced(order, external_ids=[*(order.external_ids or ()), external])
            case _:
                lines = list(form.line_items or ())
                lines[0] = lines[0].model_copy(update={"quantity": Decimal(1 + number % 9)})
                order = calculate(with_lines(order, lines), pricing(order, DEFAULT))
        yield order


def a_history(order: Order, length: int) -> tuple[Writer, int]:
    """Return the order's first so many versions, and the bytes of its first one as JSON."""
    writer = Writer()
    document = OrderDocument(id=order.id, order=calculate(order, pricing(order, DEFAULT)))
    before: Order | None = None
    changes = changes_of(document.order)
    while len(writer.written) < length:
        run = Run(
            id=f"r{len(writer.written)}",
            command_id="c",
            status=document.order.status or "",
            is_first=before is None,
            since=NOW,
            user="shop",
            origin="PATCH /api/Orders/{orderId}/PatchOrder",
        )
        at = NOW + timedelta(minutes=7, milliseconds=13) * len(writer.written)
        document, told = conclude(
            Progress(document, ended=run),
            run,
            before=before,
            now=at,
            configuration=DEFAULT,
            seed=sha256(run.id.encode()).hexdigest(),
        )
        writer.keep(told, before=None if before is None else order_bytes(before), at=at)
        before = document.order
        # What the rules see next is the stored order with a change.
        changed = next(changes)
        document = document.model_copy(
            update={
                "order": replaced(
                    changed,
                    version=before.version,
                    version_id=before.version_id,
                    modified=before.modified,
                    modified_by=before.modified_by,
                )
            }
        )
    return writer, len(writer.written[0].order)


def an_order_of_fifty_lines() -> Order:
    lines = [
        a_line(line_item_id=str(number), code=f"SKU-{number:05d}", display_name=f"Product {number}")
        for number in range(1, 51)
    ]
    form = a_form(line_items=lines, shipments=[a_shipment(line_items=lines)])
    return an_order(order_form=form)


def told(sequence: int, order: bytes) -> Told:
    event = OrderUpdated(
        order_id="ORD-1",
        sequence=sequence,
        operation_id=310100,
        category="Updated",
        timestamp=NOW,
        message="The order was updated",
        object_id="ORD-1",
    )
    return Told(event, order, f"{sequence}-x")


@pytest.mark.parametrize(
    "order", [the_reference_order(), an_order_of_fifty_lines()], ids=["example", "fifty lines"]
)
class TestThirtyVersions:
    def test_cost_less_than_ten_copies_of_the_order(self, order: Order) -> None:
        writer, copy = a_history(order, 30)

        cost = sum(one.kept["size"] for one in writer.written[:30])

        assert cost < 10 * copy

    def test_cost_less_than_ten_copies_that_are_compressed(self, order: Order) -> None:
        writer, _ = a_history(order, 30)
        copy = len(zstandard.compress(writer.written[0].event))

        packed = sum(len(one.kept["event"]) for one in writer.written[:30])

        assert packed < 10 * copy

    def test_are_read_back_as_they_were(self, order: Order) -> None:
        writer, _ = a_history(order, 30)

        read = [writer.read(number) for number in range(1, 31)]

        assert [(one.event, one.order) for one in read if one] == [
            (one.event, one.order) for one in writer.written[:30]
        ]

    def test_are_whole_every_tenth_time(self, order: Order) -> None:
        writer, _ = a_history(order, 30)

        whole = [one.kept["version"] for one in writer.written[:30] if "base" not in one.kept]

        assert whole == [1, 11, 21]


class TestAVersion:
    def test_is_whole_when_the_order_is_not_the_very_one_that_was_written(self) -> None:
        writer = Writer()
        writer.keep([told(1, b'{"id":"ORD-1"}')], before=None)

        writer.keep([told(2, b'{"id":"ORD-1","total":1.0}')], before=b'{"id": "ORD-1"}')
        writer.keep([told(3, b'{"id":"ORD-1"}')], before=b'{"id":"ORD-1","total":1.0}')

        assert [one.kept.get("base") for one in writer.written] == [None, None, 2]

    def test_of_an_order_that_was_there_before_this_is_whole(self) -> None:
        links, _ = linked([told(7, b"{}")], None, before=b"{}", now=NOW, kept_days=None)

        assert links[0].base is None

    def test_is_no_event_when_it_is_read_against_another_order(self) -> None:
        before = b'{"id":"ORD-1","customerName":"Ola Nordmann","status":"New"}'
        writer = Writer()
        writer.keep([told(1, before)], before=None)
        writer.keep([told(2, before.replace(b"New", b"Old"))], before=before)
        kept = writer.written[1].kept
        other = Version({"version": 1, "orderAt": 0}, before.replace(b"Ola", b"Kim") + b"}")

        with pytest.raises(zstandard.ZstdError):
            unpacked(kept, other)

    def test_goes_together_with_those_that_it_is_a_difference_to(self) -> None:
        writer = Writer()
        writer.keep([told(1, b"{}")], before=None, kept_days=30)
        for number, days in ((2, 1), (3, 7), (4, 8)):
            writer.keep([told(number, b"{}")], before=b"{}", at=NOW + days * DAY, kept_days=30)

        expires = [one.kept["expires"] - NOW for one in writer.written]

        assert expires == [37 * DAY, 37 * DAY, 37 * DAY, 45 * DAY]
        assert [one.kept.get("base") for one in writer.written] == [None, 1, 2, None]

    @pytest.mark.parametrize(("days", "later"), [(None, 30), (30, None), (7, 365), (365, 7)])
    def test_is_whole_when_versions_are_kept_longer_or_shorter_from_now_on(
        self, days: int | None, later: int | None
    ) -> None:
        writer = Writer()
        writer.keep([told(1, b"{}")], before=None, kept_days=days)

        writer.keep([told(2, b"{}")], before=b"{}", kept_days=later)

        assert "base" not in writer.written[1].kept
        assert ("expires" in writer.written[1].kept) == (later is not None)

    @settings(deadline=None, max_examples=200)
    @given(st.data())
    def test_can_be_read_for_as_long_as_it_is_kept(self, data: st.DataObject) -> None:
        writer, now, before = Writer(), NOW, None
        for _ in range(data.draw(st.integers(1, 25), "changes")):
            now += data.draw(st.sampled_from([timedelta(0), timedelta(hours=5), 3 * DAY, 9 * DAY]))
            days = data.draw(st.sampled_from([None, 7, 7, 7, 8, 30]), "kept days")
            order = to_json({"id": "ORD-1", "note": data.draw(st.text(max_size=40))})
            number = len(writer.written) + 1
            events = data.draw(st.integers(1, 3), "events")
            # Now and then the order is written otherwise than it was, as by another release.
            seen = before + b" " if before and data.draw(st.integers(0, 9)) == 0 else before
            writer.keep(
                [told(number + more, order) for more in range(events)],
                before=seen,
                at=now,
                kept_days=days,
            )
            before = order

        for number, one in enumerate(writer.written, 1):
            ages = [timedelta(0), LASTS] if one.kept_days is None else [one.kept_days * DAY]
            for age in ages:
                read = writer.read(number, at=max(one.at, one.at + age - timedelta(seconds=1)))
                assert read is not None
                assert (read.event, read.order) == (one.event, one.order)


class TestTheOrder:
    def test_keeps_what_its_next_version_must_know(self) -> None:
        history = History(digest=b"12345678", expires=NOW)
        document = OrderDocument(
            id="1", order=the_reference_order(), history=history, secret_key_hash=b"h"
        )

        raw = bson.encode({**document.to_bson(), "revision": 1}, codec_options=CODEC)
        read = OrderDocument.from_bson(bson.decode(raw, codec_options=CODEC))

        assert (read.history, read.secret_key_hash) == (history, b"h")

    def test_is_written_as_the_same_bytes_after_it_was_stored(self) -> None:
        orders = [
            calculate(one, pricing(one, DEFAULT)) for one in changes_of(the_reference_order())
        ]
        documents = [OrderDocument(id=one.id, order=one).to_bson() for one in orders]

        read = [
            OrderDocument.from_bson(
                bson.decode(
                    bson.encode({**one, "revision": 1}, codec_options=CODEC), codec_options=CODEC
                )
            ).order
            for one in documents
        ]

        assert [order_bytes(one) for one in read] == [order_bytes(one) for one in orders]

    @pytest.mark.parametrize("key", [None, ""])
    def test_without_a_secret_key_is_found_by_none(self, key: str | None) -> None:
        assert secret_key_hash(an_order(secret_key=key)) is None

    def test_is_found_by_the_hash_of_its_secret_key(self) -> None:
        found = secret_key_hash(an_order(secret_key="s3cret"))

        assert found == sha256(b"s3cret").digest()


def test_the_whole_version_before_any_is_the_first_of_its_ten() -> None:
    firsts = [first_of_span(number) for number in (1, 2, 10, 11, 20, 21, 30)]

    assert firsts == [1, 1, 1, 11, 11, 21, 21]
