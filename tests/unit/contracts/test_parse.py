"""How a body from outside is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from contracts.messages.webhooks import EndpointSettings
from contracts.model import Invalid, Model, parse
from contracts.order import Order, OrderForm
from tests.builders import the_reference_body

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(10**9), 10**9).map(lambda n: n / 1000)
IDS = st.from_regex(r"[A-Za-z0-9]{3}-[0-9]{1,9}", fullmatch=True)
BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "id": IDS,
    "orderNumber": IDS,
    "lineItemId": st.uuids().map(str),
    "marketId": IDS,
    "storeId": IDS,
    "shipmentId": st.uuids().map(str),
    # Within the bounds of a line, whichever of them are there.
    "quantity": st.integers(20, 30),
    "deliveredQuantity": st.integers(0, 10),
    "canceledQuantity": st.integers(0, 10),
    "returnQuantity": st.integers(0, 10),
}


@st.composite
def bodies(draw: st.DrawFn, model: type[BaseModel], depth: int = 0) -> dict[str, Any]:
    """A few members of the model, some of them in turn objects, as JSON."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    required = [name for name, field in fields.items() if field.is_required()]
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), max_size=8 - 2 * depth, unique=True))
    return {
        name: draw(BY_NAME[name] if name in BY_NAME else values(fields[name].annotation, depth))
        for name in dict.fromkeys(required + chosen)
    }


def values(annotation: object, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bodies(annotation, depth + 1) if depth < 3 else st.none()
    origin, arguments = get_origin(annotation), get_args(annotation)
    first = arguments[0] if arguments else None
    made: dict[object, Callable[[], st.SearchStrategy[Any]]] = {
        Annotated: lambda: values(first, depth),
        Union: lambda: st.one_of(st.none(), values(first, depth)),
        UnionType: lambda: st.one_of(st.none(), values(first, depth)),
        Literal: lambda: st.sampled_from(arguments),
        list: lambda: st.lists(values(first, depth), max_size=2),
        dict: lambda: st.dictionaries(TEXTS, st.one_of(TEXTS, NUMBERS, st.none()), max_size=2),
        str: lambda: TEXTS,
        bool: st.booleans,
        int: lambda: st.integers(-(2**63), 2**63 - 1),
        Decimal: lambda: NUMBERS,
        datetime: lambda: st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    }
    return made[origin or annotation]()


ORDERS = bodies(Order)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def recased(value: object, case: Callable[[str], str]) -> object:
    """The same JSON with other names, save inside objects whose members are the sender's own."""
    own = {"conditionalPricing", "promotionAdvancedReward", "promotionAmounts", "quantityTiers"}
    own |= {"claim", "charges", "options"}
    if isinstance(value, dict):
        return {
            case(name): inner if name in own else recased(inner, case)
            for name, inner in value.items()
        }
    return [recased(inner, case) for inner in value] if isinstance(value, list) else value


class TestParse:
    @SLOW
    @given(ORDERS)
    def test_reads_back_what_an_order_writes(self, body: dict[str, Any]) -> None:
        order = parse(Order, json.dumps(body).encode()).value

        for written in (order.model_dump_json(), order.model_dump_json(exclude_none=True)):
            again = parse(Order, written.encode())
            assert again.value == order
            assert again.ignored == []

    @SLOW
    @given(ORDERS, st.randoms(use_true_random=False))
    def test_reads_names_in_any_case(self, body: dict[str, Any], random: Any) -> None:  # noqa: ANN401 - hypothesis names no type for it
        def any_case(name: str) -> str:
            return "".join(random.choice([c.upper(), c.lower()]) for c in name)

        parsed = parse(Order, json.dumps(recased(body, any_case)).encode())

        assert parsed.value == parse(Order, json.dumps(body).encode()).value
        assert parsed.ignored == []

    @SLOW
    @given(ORDERS)
    def test_reads_bytes_and_values_alike(self, body: dict[str, Any]) -> None:
        assert parse(Order, body) == parse(Order, json.dumps(body).encode())

    def test_names_unknown_members(self) -> None:
        body = the_reference_body() | {"foo": 1, "market_id": "SWE"}
        body["orderForm"]["lineItems"][0]["Foo"] = {"bar": 1}
        body["orderForm"]["shipments"][0]["address"]["a\r\nb"] = None

        parsed = parse(Order, json.dumps(body).encode())

        assert parsed.value == parse(Order, the_reference_body()).value
        assert sorted(parsed.ignored) == [
            "foo",
            "market_id",
            "orderForm.lineItems[0].Foo",
            "orderForm.shipments[0].address.a\\r\\nb",
        ]

    def test_reads_lists(self) -> None:
        good, bad = the_reference_body() | {"Foo": 1}, the_reference_body()
        del bad["storeId"]

        parsed = parse(list[Order], [good, good])

        assert [order.id for order in parsed.value] == ["ORD-2024-000001"] * 2
        assert parsed.ignored == ["[0].Foo", "[1].Foo"]
        with pytest.raises(Invalid, match=r"^\[1\]\.storeId: is required$"):
            parse(list[Order], [good, bad])

    @pytest.mark.parametrize(
        "members",
        [
            '"status": "A", "status": "C"',
            '"status": "A", "Status": "C"',
            '"STATUS": "A", "status": "B", "STATUS": "C"',
        ],
    )
    def test_takes_the_last_of_equal_names(self, members: str) -> None:
        raw = f'{{"id": "1", "marketId": "NOR", "storeId": "Oslo", {members}}}'

        assert parse(Order, raw.encode()).value.status == "C"

    def test_takes_a_byte_order_mark(self) -> None:
        raw = b"\xef\xbb\xbf" + json.dumps(the_reference_body()).encode()

        assert parse(Order, raw).value.id == "ORD-2024-000001"


class Pair(Model):
    """A model with a list of itself, as a tree has."""

    left: int
    pairs: "list[Pair] | None" = None
    by_name: "dict[str, Pair] | None" = None


class Colour(Enum):
    RED = "red"


class Thing(Model):
    """A model with other kinds of closed enumerations than orders have."""

    number: Literal[1, 2]
    colour: Colour
    either: int | list[int] | None = None


class TestOtherModels:
    def test_have_all_their_faults_named(self) -> None:
        with pytest.raises(Invalid) as caught:
            parse(Thing, b'{"number": 3, "Colour": "blue", "either": "x"}')

        said = {error.path: error.message for error in caught.value.errors}
        assert said["number"] == "expected one of 1 or 2"
        assert said["colour"] == "expected one of 'red'"
        assert any(path.startswith("either") for path in said)


class TestModelsWithin:
    def test_themselves_are_found(self) -> None:
        body = {"LEFT": 1, "PAIRS": [{"Left": 2, "ByName": {"Own": {"Left": 3, "no": 0}}}]}

        parsed = parse(Pair, body)

        assert parsed.value == Pair(left=1, pairs=[Pair(left=2, by_name={"Own": Pair(left=3)})])
        assert parsed.ignored == ["pairs[0].byName.Own.no"]


def drop(*path: str | int) -> Callable[[Any], None]:
    def change(body: Any) -> None:  # noqa: ANN401 - JSON, reached into
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return change


def put(value: object, *path: str | int) -> Callable[[Any], None]:
    def change(body: Any) -> None:  # noqa: ANN401 - JSON, reached into
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return change


LINES = ("orderForm", "lineItems")
FAULTS: dict[str, Callable[[Any], None]] = {
    "id": put("a/b", "id"),
    "marketId": drop("marketId"),
    "storeId": put(None, "storeId"),
    "customerType": put("B2D", "customerType"),
    "customerName": put("a\0b", "customerName"),
    "created": put("yesterday", "created"),
    "tags": put(["x"] * 251, "tags"),
    "tags[0]": put([7], "tags"),
    "errors[1]": put([{}, "bad"], "errors"),
    "isReadOnly": put("yes", "isReadOnly"),
    "paymentTermsNet": put(1.5, "paymentTermsNet"),
    "billingAddress": put("Storgata 1", "billingAddress"),
    "contactPerson.address.line1": put({"address": {"line1": 1}}, "contactPerson"),
    "orderForm.subTotal": put("1.2345678", "orderForm", "subTotal"),
    "orderForm.payments[0].amount": drop("orderForm", "payments", 0, "amount"),
    "orderForm.payments[0].transactionType": drop("orderForm", "payments", 0, "transactionType"),
    "orderForm.payments[0].status": put("Done", "orderForm", "payments", 0, "status"),
    "orderForm.lineItems[0].taxRate": put([], *LINES, 0, "taxRate"),
    "orderForm.lineItems[0].deliveredQuantity": put(-1, *LINES, 0, "deliveredQuantity"),
    "orderForm.lineItems[1].lineItemId": drop(*LINES, 1, "lineItemId"),
    "orderForm.lineItems[2].canceledQuantity": put(3, *LINES, 2, "canceledQuantity"),
    "orderForm.lineItems[3].lineItemId": put("5", *LINES, 3, "lineItemId"),
    "orderForm.shipments[0].lineItems[0].quantity": put(
        -2, "orderForm", "shipments", 0, "lineItems", 0, "quantity"
    ),
}
# A line whose id another one has too is half of a pair.
ITS_TWIN = {"orderForm.lineItems[3].lineItemId": "orderForm.lineItems[4].lineItemId"}


class TestInvalid:
    @SLOW
    @given(st.sets(st.sampled_from(sorted(FAULTS)), min_size=1))
    def test_names_every_fault_at_once(self, injected: set[str]) -> None:
        if {"tags", "tags[0]"} <= injected:
            injected.remove("tags")  # they are one member
        body = the_reference_body()
        line = body["orderForm"]["lineItems"][0]
        body["orderForm"]["lineItems"] = [line | {"lineItemId": str(n)} for n in range(1, 6)]
        for path in injected:
            FAULTS[path](body)

        with pytest.raises(Invalid) as caught:
            parse(Order, json.dumps(body).encode())

        named = [error.path for error in caught.value.errors]
        assert sorted(named) == sorted(
            injected | {twin for path, twin in ITS_TWIN.items() if path in injected}
        )

    def test_says_what_was_expected_and_what_came(self) -> None:
        body = the_reference_body() | {
            "customerType": "B2D",
            "tags": ["x"] * 251,
            "customerName": {"secret": "x"},
            "invoiceComment": "y" * 40_000,
        }
        del body["marketId"]

        with pytest.raises(Invalid) as caught:
            parse(Order, json.dumps(body).encode())

        said = {error.path: (error.message, error.got) for error in caught.value.errors}
        assert said == {
            "customerType": ("expected one of 'B2B' or 'B2C'", '"B2D"'),
            "tags": ("expected at most 250 entries in the list tags", "a list of 251"),
            "customerName": ("expected text", "an object"),
            "invoiceComment": ("expected at most 32768 characters", '"' + "y" * 60 + "..."),
            "marketId": ("is required", "nothing"),
        }

    @pytest.mark.parametrize(
        ("member", "sent", "message"),
        [
            ("rateLimit", "fast", "expected a number"),
            ("eventTypes", None, "expected a list"),
            ("retrySchedule", [1, "x"], "expected a whole number"),
        ],
    )
    def test_says_it_in_words_of_its_own(self, member: str, sent: object, message: str) -> None:
        with pytest.raises(Invalid) as caught:
            parse(EndpointSettings, {"url": "https://shop.example", member: sent})

        assert [error.message for error in caught.value.errors] == [message]

    def test_says_what_a_number_has_to_be_greater_than(self) -> None:
        with pytest.raises(Invalid) as caught:
            parse(EndpointSettings, b'{"url": "https://shop.example", "rateLimit": 0}')

        said = [(error.path, error.message) for error in caught.value.errors]
        assert said == [("rateLimit", "expected a number greater than 0")]

    def test_stops_at_far_too_many_faults(self) -> None:
        body = {"payments": [{"properties": [{"key": 1}] * 250}] * 250}

        with pytest.raises(Invalid) as caught:
            parse(OrderForm, body)

        assert 1_000 <= len(caught.value.errors) < 2_000

    @given(st.text(max_size=200))
    def test_shows_little_and_only_plain_characters(self, sent: str) -> None:
        with pytest.raises(Invalid) as caught:
            parse(Order, {"id": "1", "marketId": "a", "storeId": "b", "isReadOnly": sent})

        (error,) = caught.value.errors
        assert len(error.got) <= 64
        assert error.got.isascii()
        assert error.got.isprintable()

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (b"", "expected JSON: Expecting value at line 1, column 1"),
            (b'{"id":', "expected JSON: Expecting value at line 1, column 7"),
            (b'{"id": "1"} x', "expected JSON: Extra data at line 1, column 13"),
            (b"[]", "expected an object"),
            (b"null", "expected an object"),
            (b'{"id": "\xff"}', "expected UTF-8, which byte 8 is not"),
            (b'{"foo": NaN}', "expected JSON whose numbers are finite"),
            (b'{"foo": ' + b"9" * 5000 + b"}", "expected JSON whose numbers are finite"),
            (b"[" * 100_000, "expected at most 64 levels"),
        ],
    )
    def test_tells_where_it_is_no_json(self, raw: bytes, message: str) -> None:
        with pytest.raises(Invalid) as caught:
            parse(Order, raw)

        (error,) = caught.value.errors
        assert error.path == "$"
        assert error.message.startswith(message)

    @pytest.mark.parametrize("name", ["foo", "claim", "tags"])
    def test_ends_at_the_deepest_level(self, name: str) -> None:
        raw = b'{"%s": %s}' % (name.encode(), b'{"a":' * 70 + b"1" + b"}" * 70)

        with pytest.raises(Invalid, match="64 levels"):
            parse(Order, raw)
