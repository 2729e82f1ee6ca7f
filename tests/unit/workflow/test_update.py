"""Updating an order: merged or replaced, made whole, or refused."""

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from contracts.faults import Invalid
from contracts.messages.inventory import ReleaseUnits, ReserveStock
from contracts.note import Asset
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.problems import Problem
from contracts.settings import DEFAULT, Configuration, DefaultProperty
from contracts.settings.order_settings import OrderLineSettings
from services.chassis.outcomes import Refused
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_line, a_shipment, an_order, the_reference_order
from tests.journeys.filled import every_member
from tests.unit.workflow.kept import (
    Json,
    form_of,
    holding,
    kept,
    lines_of,
    overwritten,
    patched_with,
    pieces_of,
    seen,
    shipments_of,
    updated,
)
from tests.unit.workflow.test_calculate_laws import orders


def order_of(progress: Progress) -> Order:
    return progress.document.order


def refusal_of(change: Callable[[], Progress]) -> Problem:
    with pytest.raises(Refused) as refused:
        change()
    return refused.value.problem


def paths(problem: Problem) -> list[str]:
    return [one.path for one in problem.errors or ()]


def two_lines(**second: object) -> OrderDocument:
    """Return an order of line 1 (2 units) and line 2 (4 units), both in shipment 1."""
    other = a_line(**{"line_item_id": "2", "code": "SKU-002", "quantity": Decimal(4), **second})
    lines = [a_line(), other]
    shipment = a_shipment(line_items=lines)
    return kept(an_order(order_form=a_form(line_items=lines, shipments=[shipment])))


def in_two_shipments() -> OrderDocument:
    """Return an order of 4 units, 1 in shipment 1 and 3 in shipment 2."""
    line = a_line(quantity=Decimal(4))
    pieces = [OrderLine(line_item_id="1", quantity=Decimal(units)) for units in (1, 3)]
    shipments = [
        a_shipment(line_items=[pieces[0]]),
        a_shipment(shipment_id="2", line_items=[pieces[1]], warehouse_code="Oslo"),
    ]
    return kept(an_order(order_form=a_form(line_items=[line], shipments=shipments)))


def settings_with(**changes: object) -> Configuration:
    order_settings = DEFAULT.order_settings.model_copy(update=changes)
    return DEFAULT.model_copy(update={"order_settings": order_settings})


class TestShipmentsWithoutAnId:
    def test_get_the_next_free_number(self) -> None:
        nameless = a_shipment(shipment_id=None, line_items=[])
        blank = a_shipment(shipment_id="", line_items=[])
        document = kept(an_order(order_form=a_form(shipments=[nameless, a_shipment(), blank])))

        progress = patched_with(document, {"orderForm": {"shipments": [{"comment": "one more"}]}})

        assert [one.shipment_id for one in shipments_of(document.order)] == ["2", "1", "3"]
        assert [one.shipment_id for one in shipments_of(order_of(progress))] == ["2", "1", "3", "4"]

    def test_are_the_stored_ones_when_the_same_order_is_sent_again(self) -> None:
        body = json.loads(the_reference_order().model_dump_json(exclude_none=True))
        del body["orderForm"]["shipments"][0]["shipmentId"]
        document = kept(Order.model_validate(body))

        again = overwritten(document, body)

        assert [one.shipment_id for one in shipments_of(document.order)] == ["1"]
        assert shipments_of(order_of(again)) == shipments_of(document.order)


class TestAssetsWithoutAnId:
    def test_get_one_and_keep_it(self) -> None:
        document = kept(an_order(assets=[Asset(name="a"), Asset(asset_id="mine", name="b")]))
        (first, mine) = document.order.assets or []

        progress = updated(
            document, {"assets": [{"assetId": first.asset_id, "name": "c"}, {"name": "d"}]}
        )

        (same, another) = order_of(progress).assets or []
        assert mine.asset_id == "mine"
        assert first.asset_id
        assert same.asset_id == first.asset_id
        assert another.asset_id not in {None, first.asset_id}


class TestUpdate:
    def test_changes_what_is_named_and_keeps_the_rest(self) -> None:
        document = kept(the_reference_order())

        progress = updated(
            document, {"customerName": "Kari", "billingAddress": {"city": "Bergen"}, "tags": ["a"]}
        )

        after, before = order_of(progress), document.order
        assert (after.customer_name, after.tags) == ("Kari", ["a"])
        assert after.billing_address is not None
        assert (after.billing_address.city, after.billing_address.line1) == ("Bergen", "Storgata 1")
        assert after.order_form == before.order_form
        assert progress.shape == "unrun"

    def test_clears_with_a_null_and_replaces_a_list(self) -> None:
        document = kept(an_order(tags=["a", "b"], customer_phone="1"))

        after = order_of(updated(document, {"tags": ["c"], "customerPhone": None}))

        assert (after.tags, after.customer_phone) == (["c"], None)

    def test_keeps_what_only_the_system_writes(self) -> None:
        document = kept(the_reference_order())
        body = {
            "created": "2001-01-01T00:00:00Z",
            "version": 9,
            "netTotal": 1,
            "modifiedBy": "me",
            "completed": "2001-01-01T00:00:00Z",
        }

        progress = updated(document, body)

        assert progress.is_unchanged
        assert order_of(progress) == document.order

    def test_fills_in_again_what_was_cleared_and_must_be_there(self) -> None:
        document = kept(an_order(order_number="N-1"))

        after = order_of(updated(document, {"orderNumber": None, "billingCurrency": None}))

        assert (after.order_number, after.billing_currency) == (after.id, "NOK")

    def test_stores_a_status_without_its_workflow(self) -> None:
        document = kept(the_reference_order())

        progress = updated(document, {"status": "inprogress"})

        assert order_of(progress).status == "InProgress"
        assert [one.order_status for one in shipments_of(order_of(progress))] == ["InProgress"]
        assert progress.ended is not None
        assert progress.messages == ()

    def test_runs_the_workflow_of_the_status_that_it_sends(self) -> None:
        document = kept(the_reference_order())

        progress = updated(
            document, {"status": "OrderCanceled", "customerName": "Kari"}, run_workflow=True
        )

        run = progress.document.run
        assert run is not None
        assert (run.status, run.status_before) == ("OrderCanceled", "New")
        assert order_of(progress).customer_name == "Kari"

    def test_runs_the_workflow_of_the_present_status_where_none_is_sent(self) -> None:
        document = kept(an_order(status="PackedAndReady"))

        progress = updated(document, {"customerName": "Kari"}, run_workflow=True)

        assert progress.ended is not None
        assert [one.action_type for one in progress.ended.results] == ["CompleteShipment"]
        assert all(one.completed for one in shipments_of(order_of(progress)))

    def test_refuses_to_run_a_status_that_the_type_does_not_have(self) -> None:
        document = kept(the_reference_order())

        problem = refusal_of(lambda: updated(document, {"status": "Odd"}, run_workflow=True))

        assert problem.slug == "unknown-status"

    def test_warns_of_what_it_makes_doubtful_and_of_nothing_else(self) -> None:
        document = kept(an_order(market_id="XYZ"))
        known = len(document.order.errors or ())

        after = order_of(updated(document, {"storeId": "Nowhere", "status": "Odd"}))

        news = (after.errors or [])[known:]
        assert [(one.key, one.severity) for one in news] == [
            ("storeId", "Warning"),
            ("status", "Warning"),
        ]

    def test_refuses_what_it_makes_doubtful_where_references_are_strict(self) -> None:
        document = kept(an_order(market_id="XYZ"))
        strict = settings_with(strict_references=True)

        problem = refusal_of(lambda: updated(document, {"storeId": "Nowhere"}, strict))

        assert (problem.status, paths(problem)) == (400, ["storeId"])

    def test_names_every_quantity_that_does_not_fit(self) -> None:
        document = kept(the_reference_order())
        lines = [
            {"lineItemId": "1", "quantity": -1},
            {"lineItemId": "2", "quantity": 2},
        ]

        problem = refusal_of(
            lambda: overwritten(
                document, {**seen(document.order), "orderForm": {"lineItems": lines}}
            )
        )

        assert (problem.status, paths(problem)) == (400, ["orderForm.lineItems[0].quantity"])
        assert (problem.errors or ())[0].got == "-1"

    def test_refuses_to_change_a_read_only_line(self) -> None:
        document = two_lines(is_read_only=True)
        body = seen(document.order)
        body["orderForm"]["lineItems"][1]["displayName"] = "other"
        shorter = seen(document.order)
        del shorter["orderForm"]["lineItems"][1]

        problems = [
            refusal_of(lambda: overwritten(document, body)),
            refusal_of(lambda: overwritten(document, shorter)),
        ]

        assert [one.slug for one in problems] == ["order-line-read-only"] * 2
        assert paths(problems[0]) == ["orderForm.lineItems[1]"]

    def test_refuses_to_change_a_property_that_the_settings_fix(self) -> None:
        fixed = DefaultProperty(key="origin", is_read_only=True)
        configuration = settings_with(
            default_properties=(fixed,),
            order_line_settings=OrderLineSettings(default_properties=(fixed,)),
        )
        line = a_line(properties=[{"key": "origin", "value": "shop"}])
        document = kept(
            an_order(
                properties=[{"key": "origin", "value": "shop"}],
                order_form=a_form(line_items=[line]),
            )
        )
        body = seen(document.order)
        body["properties"] = [{"key": "origin", "value": "other"}]
        body["orderForm"]["lineItems"][0]["properties"] = []

        problem = refusal_of(lambda: updated(document, body, configuration))
        fine = updated(document, {"properties": [{"key": "origin", "value": "shop"}]})

        assert paths(problem) == ["properties", "orderForm.lineItems[0].properties"]
        assert fine.is_unchanged

    @pytest.mark.parametrize("name", ["marketId", "storeId", "status", "orderType"])
    def test_cannot_clear_what_an_order_always_has(self, name: str) -> None:
        document = kept(the_reference_order())

        with pytest.raises(Invalid) as invalid:
            updated(document, {name: None})

        assert [one.path for one in invalid.value.errors] == [name]

    def test_needs_an_order_that_is_there_and_not_read_only(self) -> None:
        frozen = kept(an_order(is_read_only=True))

        missing = refusal_of(lambda: updated(None, {"tags": []}))
        bound = refusal_of(lambda: updated(frozen, {"isReadOnly": False}))

        assert (missing.slug, bound.slug) == ("order-not-found", "order-read-only")


class TestReplace:
    @given(orders())
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_with_what_was_read_changes_nothing(self, order: Order) -> None:
        document = kept(order.model_copy(update={"status": "New", "order_type": "Online"}))

        progress = overwritten(document, seen(document.order))

        assert progress.is_unchanged

    def test_lets_nothing_stay_but_what_only_the_system_writes(self) -> None:
        document = kept(an_order(tags=["a"], customer_reference="r", completed="2026-01-01"))
        body = {"id": document.id, "marketId": "NOR", "storeId": "WebShop", "customerName": "Kari"}

        after = order_of(overwritten(document, body))

        assert (after.tags, after.customer_reference, after.customer_name) == (None, None, "Kari")
        assert (after.created, after.completed) == (
            document.order.created,
            document.order.completed,
        )
        assert (after.status, after.order_type) == ("New", "Online")
        assert after.order_number == document.order.order_number
        assert lines_of(after) == []

    def test_takes_a_new_discount_and_not_a_repeated_one(self) -> None:
        off = [{"discountType": "LineItem", "rewardType": "Percentage", "discountValue": 10}]
        sku = a_line().code
        discounts = [{**one, "skuIds": [sku]} for one in off]
        document = kept(an_order(order_form=a_form(discounts=discounts)))
        body = seen(document.order)
        assert body["orderForm"]["lineItems"][0]["discounted"] == 99.8
        changed = seen(document.order)
        changed["orderForm"]["lineItems"][0]["discounted"] = 100

        same, other = overwritten(document, body), overwritten(document, changed)

        assert same.is_unchanged
        assert lines_of(order_of(other))[0].discounted == Decimal("189.8")

    def test_of_an_order_from_the_till_takes_goods_that_came_back(self) -> None:
        line = a_line(quantity=Decimal(-1), delivered_quantity=Decimal(-1))
        document = kept(
            an_order(order_type="Pos", order_form=a_form(line_items=[line], shipments=None))
        )
        body = seen(document.order)

        same = overwritten(document, body)
        body["orderType"] = "Online"
        problem = refusal_of(lambda: overwritten(document, body))

        assert same.is_unchanged
        assert paths(problem) == ["orderForm.lineItems[0].quantity"]


class TestShipments:
    def test_follow_a_quantity_of_which_they_hold_the_whole(self) -> None:
        document = two_lines()
        body = seen(document.order)
        body["orderForm"]["lineItems"][1]["quantity"] = 7

        by_form = updated(document, {"orderForm": {"lineItems": body["orderForm"]["lineItems"]}})
        by_stale_copy = overwritten(document, body)

        assert pieces_of(order_of(by_form)) == [{"1": 2, "2": 7}]
        assert pieces_of(order_of(by_stale_copy)) == [{"1": 2, "2": 7}]

    def test_hold_the_pieces_that_they_are_said_to_hold(self) -> None:
        document = in_two_shipments()
        body = seen(document.order)
        for shipment, quantity in zip(body["orderForm"]["shipments"], (2, 2), strict=True):
            shipment["lineItems"][0]["quantity"] = quantity

        after = order_of(overwritten(document, body))

        assert pieces_of(after) == [{"1": 2}, {"1": 2}]
        assert form_of(after).sub_total == sum(one.sub_total or 0 for one in shipments_of(after))

    @pytest.mark.parametrize(("quantity", "left"), [(6, (1, 5)), (2, (1, 1)), (1, (1, 0))])
    def test_share_the_units_that_come_or_go(self, quantity: int, left: tuple[int, int]) -> None:
        document = in_two_shipments()
        lines = [{**seen(document.order)["orderForm"]["lineItems"][0], "quantity": quantity}]

        after = order_of(updated(document, {"orderForm": {"lineItems": lines}}))

        assert pieces_of(after) == [{"1": left[0]}, {"1": left[1]}]
        assert form_of(after).sub_total == sum(one.sub_total or 0 for one in shipments_of(after))

    def test_lose_a_line_that_the_form_lost(self) -> None:
        document = two_lines()
        body = seen(document.order)
        del body["orderForm"]["lineItems"][0]

        after = order_of(overwritten(document, body))

        assert pieces_of(after) == [{"2": 4}]

    def test_take_in_a_line_that_is_new_on_the_form(self) -> None:
        document = two_lines()
        lines = [
            *seen(document.order)["orderForm"]["lineItems"],
            {"lineItemId": "3", "quantity": 1},
        ]

        once = updated(document, {"orderForm": {"lineItems": lines}})
        again = overwritten(once.document, seen(order_of(once)))

        assert pieces_of(order_of(once)) == [{"1": 2, "2": 4, "3": 1}]
        assert again.is_unchanged

    def test_lift_a_line_that_is_new_on_them(self) -> None:
        document = two_lines()
        body = seen(document.order)
        body["orderForm"]["shipments"][0]["lineItems"].append({"lineItemId": "3", "quantity": 1})

        after = order_of(overwritten(document, body))

        assert [line.line_item_id for line in lines_of(after)] == ["1", "2", "3"]

    def test_that_have_gone_take_in_no_new_line(self) -> None:
        line = a_line()
        shipments = [
            a_shipment(status="Shipped", line_items=[line]),
            a_shipment(shipment_id="2", line_items=[]),
        ]
        document = kept(an_order(order_form=a_form(line_items=[line], shipments=shipments)))
        lines = [
            *seen(document.order)["orderForm"]["lineItems"],
            {"lineItemId": "2", "quantity": 1},
        ]

        after = order_of(updated(document, {"orderForm": {"lineItems": lines}}))

        assert pieces_of(after) == [{"1": 2}, {"2": 1}]

    def test_are_one_where_a_client_takes_all_away(self) -> None:
        document = two_lines()

        after = order_of(updated(document, {"orderForm": {"shipments": []}}))

        assert pieces_of(after) == [{"1": 2, "2": 4}]


class TestStock:
    def test_is_given_back_for_units_and_lines_that_are_gone(self) -> None:
        document = holding(two_lines())
        lines = [{**seen(document.order)["orderForm"]["lineItems"][1], "quantity": 3}]

        progress = updated(document, {"orderForm": {"lineItems": lines}})

        (release,) = progress.messages
        assert isinstance(release, ReleaseUnits)
        kept_units = {(one.shipment_id, one.line_item_id): one.quantity for one in release.lines}
        assert kept_units == {("1", "1"): 0, ("1", "2"): 3}
        assert [line.reserved_inventory_quantity for line in lines_of(order_of(progress))] == [3]

    def test_moves_with_the_line_to_another_warehouse_or_sku(self) -> None:
        document = holding(two_lines())
        body = seen(document.order)
        body["orderForm"]["lineItems"][1]["code"] = "SKU-009"
        there: Json = {
            "shipments": [{**body["orderForm"]["shipments"][0], "warehouseCode": "Oslo"}]
        }

        swapped = overwritten(document, body)
        moved = updated(document, {"orderForm": there})

        (other_sku,) = swapped.messages
        assert isinstance(other_sku, ReserveStock)
        assert [(one.line_item_id, one.sku) for one in other_sku.lines] == [("2", "SKU-009")]
        (elsewhere,) = moved.messages
        assert isinstance(elsewhere, ReserveStock)
        assert {one.warehouse_code for one in elsewhere.lines} == {"Oslo"}
        assert len(elsewhere.lines) == 2

    def test_is_left_alone_where_nothing_is_held_or_more_is_wanted(self) -> None:
        more = [{**seen(two_lines().order)["orderForm"]["lineItems"][1], "quantity": 9}]
        first = seen(two_lines().order)["orderForm"]["lineItems"][0]

        unheld = updated(two_lines(), {"orderForm": {"lineItems": [first]}})
        raised = updated(holding(two_lines()), {"orderForm": {"lineItems": [first, *more]}})

        assert (unheld.messages, raised.messages) == ((), ())


class TestCancelledUnits:
    def test_are_dated_give_back_their_stock_and_keep_the_price_of_one(self) -> None:
        document = holding(two_lines())
        lines = seen(document.order)["orderForm"]["lineItems"]
        lines[1] |= {"canceledQuantity": 1, "cancelReason": "Out of stock"}

        progress = updated(document, {"orderForm": {"lineItems": lines}})

        line = lines_of(order_of(progress))[1]
        assert line.canceled_date is not None
        assert line.cancel_reason == "Out of stock"
        assert line.original_extended_price_per_unit == 499
        assert line.reserved_inventory_quantity == 3
        assert [type(one) for one in progress.messages] == [ReleaseUnits]

    def test_need_a_comment_where_the_settings_say_so(self) -> None:
        document = kept(the_reference_order())
        strict = settings_with(
            order_line_settings=OrderLineSettings(is_cancel_comment_required=True)
        )
        lines = seen(document.order)["orderForm"]["lineItems"]
        lines[0]["canceledQuantity"] = 1

        problem = refusal_of(lambda: updated(document, {"orderForm": {"lineItems": lines}}, strict))

        assert paths(problem) == ["orderForm.lineItems[0].cancelComment"]


def test_an_order_that_was_imported_with_its_totals_keeps_them() -> None:
    document = kept(the_reference_order())
    form = form_of(document.order).model_copy(update={"total": Decimal(1)})
    order = document.order.model_copy(update={"order_form": form})
    imported = document.model_copy(update={"order": order})

    tagged = updated(imported, {"tags": ["a"]})
    same = overwritten(imported, seen(order))

    assert form_of(order_of(tagged)).total == 1
    assert same.is_unchanged


class TestOfABatch:
    def test_adds_an_order_that_is_not_there_without_a_run(self) -> None:
        body = {"marketId": "NOR", "storeId": "WebShop", "status": "inprogress"}

        progress = updated(None, body, is_of_batch=True)

        assert progress.ended is not None
        assert progress.ended.is_first
        assert (order_of(progress).status, order_of(progress).order_type) == (
            "InProgress",
            "Online",
        )

    def test_adds_one_with_a_run_where_the_client_wants_it(self) -> None:
        body = {"marketId": "NOR", "storeId": "WebShop", "status": "PackedAndReady"}

        progress = updated(None, body, is_of_batch=True, run_workflow=True)

        assert progress.ended is not None
        assert [one.action_type for one in progress.ended.results] == ["CompleteShipment"]

    def test_adds_nothing_that_is_no_order(self) -> None:
        problem = refusal_of(lambda: updated(None, {"tags": ["a"]}, is_of_batch=True))

        assert (problem.status, paths(problem)) == (400, ["marketId", "storeId"])

    def test_merges_into_one_that_is_there(self) -> None:
        progress = updated(kept(the_reference_order()), {"tags": ["a"]}, is_of_batch=True)

        assert order_of(progress).tags == ["a"]
        assert progress.operation == (310100, "BatchUpdate")


class TestTheLastUnits:
    def test_take_the_order_with_them_where_the_settings_say_so(self) -> None:
        taking = settings_with(cancel_order_if_all_line_items_cancelled=True)
        document = kept(the_reference_order())
        lines = seen(document.order)["orderForm"]["lineItems"]
        lines[0]["canceledQuantity"] = 2

        progress = updated(document, {"orderForm": {"lineItems": lines}}, taking)
        without = updated(document, {"orderForm": {"lineItems": lines}})

        run = progress.document.run
        assert run is not None
        assert (run.status, run.shape) == ("OrderCanceled", "unrun")
        assert without.ended is not None


@pytest.mark.parametrize("way", [updated, overwritten, patched_with])
def test_every_member_may_be_sent_and_sent_again(way: Callable[..., Progress]) -> None:
    document = kept(the_reference_order())
    body = every_member() | {"id": document.id, "isReadOnly": False}

    once = way(document, body)
    again = way(once.document, seen(order_of(once)))

    assert order_of(once).customer_name == body["customerName"]
    assert again.is_unchanged
