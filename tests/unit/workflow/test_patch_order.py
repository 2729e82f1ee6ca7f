"""Patching an order and its lines, and giving lines other ids."""

import json
from pathlib import Path

import pytest

from contracts.faults import Invalid
from contracts.messages.inventory import ReleaseStock, ReleaseUnits, RenameReservedLines
from contracts.messages.orders import (
    OrderDeleted,
    OrderLineCancelled,
    OrderPaymentUpdated,
    OrderShipmentUpdated,
    OrderStatusChanged,
    OrderUpdated,
)
from contracts.messages.replies import shaped
from contracts.model import parse
from contracts.note import EntityError
from contracts.order import Order
from contracts.order_patch import LineIdsPatch
from contracts.settings import DEFAULT
from contracts.settings.order_settings import OrderLineSettings
from contracts.settings.order_types import OrderStatus
from services.workflow.domain.events import conclude
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order, the_reference_order
from tests.unit.workflow.kept import (
    LATER,
    Json,
    form_of,
    holding,
    kept,
    lines_of,
    lines_patched,
    lines_renamed,
    patched_with,
    pieces_of,
    seen,
    shipments_of,
)
from tests.unit.workflow.test_update import (
    order_of,
    paths,
    refusal_of,
    settings_with,
    two_lines,
)

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"


def the_example(name: str) -> Json:
    return json.loads((EXAMPLES / f"{name}.json").read_bytes())


def kinds(document: OrderDocument, progress: Progress) -> list[tuple[type, int, str]]:
    """Return the events that tell the change: type, operation and category."""
    assert progress.ended is not None
    _, told = conclude(
        progress,
        progress.ended,
        before=document.order,
        now=LATER,
        configuration=DEFAULT,
        seed="abcdef",
    )
    return [(type(one.event), one.event.operation_id, one.event.category) for one in told]


def a_line_of(id_: str) -> Json:
    return {"lineItemId": id_, "code": "SKU-9", "placedPrice": 1, "quantity": 1}


def result(progress: Progress) -> Json:
    """Return the body of the answer, without the order."""
    assert progress.shape is not None
    body = json.loads(shaped(progress.shape, b"{}"))
    body.pop("order", None)
    return body


class TestPatchOrder:
    def test_of_the_reference_sets_a_status_and_adds_a_property(self) -> None:
        document = kept(an_order(properties=[{"key": "known", "value": "1"}]))

        progress = patched_with(document, the_example("patch_order"))

        after = order_of(progress)
        assert after.status == "InProgress"
        assert [(one.key, one.value) for one in after.properties or ()] == [
            ("known", "1"),
            ("ErpReference", "SAP-12345"),
        ]
        assert progress.messages == ()
        assert kinds(document, progress) == [(OrderStatusChanged, 310102, "Workflow")]
        assert result(progress) == {
            "isSuccessful": True,
            "isModified": True,
            "totalCount": 1,
            "updatedCount": 1,
            "unchangedCount": 0,
            "notFoundCount": 0,
            "errorCount": 0,
            "errorMessage": None,
        }

    def test_that_changes_nothing_says_so(self) -> None:
        document = kept(the_reference_order())

        progress = patched_with(document, {"customerName": "Ola Nordmann", "tags": []})

        assert progress.is_unchanged
        counts = result(progress)
        assert (counts["isModified"], counts["unchangedCount"]) == (False, 1)

    def test_is_told_as_a_change_by_the_api(self) -> None:
        document = kept(the_reference_order())

        progress = patched_with(document, {"customerName": "Kari"})

        assert kinds(document, progress) == [(OrderUpdated, 310100, "Updated")]

    def test_tells_each_kind_of_thing_that_it_changes(self) -> None:
        document = kept(the_reference_order())
        shipment = {"shipments": [{"shipmentId": "1", "shipmentTrackingNumber": "T-1"}]}
        payment = {"payments": [a_payment(transaction_id="new").model_dump(exclude_none=True)]}

        ships = patched_with(document, {"orderForm": shipment})
        pays = patched_with(document, {"orderForm": payment})
        both = patched_with(document, {"orderForm": shipment | payment})
        more = patched_with(document, {"customerName": "Kari", "orderForm": shipment})
        entering = patched_with(document, {"status": "InProgress", "orderForm": shipment})
        cheaper, longer, renamed = (
            patched_with(
                document, {"orderForm": {"lineItems": [{"lineItemId": "1", "placedPrice": 1}]}}
            ),
            patched_with(document, {"orderForm": {"lineItems": [a_line_of("2")]}}),
            lines_renamed(document, **{"1": "9"}),
        )

        assert kinds(document, ships) == [(OrderShipmentUpdated, 310100, "Updated")]
        assert kinds(document, pays) == [(OrderPaymentUpdated, 310100, "Updated")]
        assert [kind for kind, *_ in kinds(document, both)] == [
            OrderPaymentUpdated,
            OrderShipmentUpdated,
        ]
        assert [kind for kind, *_ in kinds(document, more)] == [OrderUpdated, OrderShipmentUpdated]
        assert [kind for kind, *_ in kinds(document, entering)] == [
            OrderStatusChanged,
            OrderShipmentUpdated,
        ]
        # Its shipment follows the lines, which is no news of the shipment.
        for progress in (cheaper, longer, renamed):
            assert [kind for kind, *_ in kinds(document, progress)] == [OrderUpdated]

    def test_to_a_cancelled_status_gives_the_stock_back(self) -> None:
        document = holding(kept(the_reference_order()))

        cancelled = patched_with(document, {"status": "OrderCanceled"})

        (release,) = cancelled.messages
        assert isinstance(release, ReleaseUnits)
        (line,) = lines_of(order_of(cancelled))
        assert line.reserved_inventory_quantity == 0
        assert line.canceled_date == LATER

    def test_to_deleted_gives_the_stock_back_as_a_deletion_does(self) -> None:
        document = holding(kept(the_reference_order()))

        deleted = patched_with(document, {"status": "deleted"})
        restored = patched_with(deleted.document, {"status": "New"})

        assert order_of(deleted).status == "Deleted"
        assert deleted.messages == [ReleaseStock(order_id=document.id)]
        assert [one.reserved_inventory_quantity for one in lines_of(order_of(deleted))] == [0]
        assert kinds(document, deleted)[1][0] is OrderDeleted
        assert restored.messages == ()

    def test_clears_first_then_takes_properties_away_then_patches(self) -> None:
        document = kept(
            an_order(
                follow_up_date="2026-12-01",
                tags=["a"],
                properties=[{"key": "old", "value": "1"}, {"key": "kept", "value": "1"}],
            )
        )

        after = order_of(
            patched_with(
                document,
                {
                    "forceUpdate": ["FOLLOWUPDATE", "tags", "billingAddress.line1"],
                    "tags": ["b"],
                    "propertiesRemovalConditions": [{"key": "old"}],
                    "properties": [{"key": "old", "value": "2"}],
                },
            )
        )

        assert (after.follow_up_date, after.tags) == (None, ["b"])
        assert after.billing_address is not None
        assert (after.billing_address.line1, after.billing_address.city) == (None, "Oslo")
        assert [(one.key, one.value) for one in after.properties or ()] == [
            ("kept", "1"),
            ("old", "2"),
        ]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("nonsense", "the name of a member"),
            ("orderForm.lineItems.comment", "the name of a member"),
            ("customerName.first", "the name of a member"),
            ("", "the name of a member"),
            ("marketId", "is required"),
            ("ID", "is required"),
            ("netTotal", "is calculated"),
            ("orderForm.TOTAL", "is calculated"),
        ],
    )
    def test_cannot_clear_this(self, name: str, message: str) -> None:
        document = kept(the_reference_order())

        with pytest.raises(Invalid) as invalid:
            patched_with(document, {"forceUpdate": ["tags", name]})

        (fault,) = invalid.value.errors
        assert fault.path == "forceUpdate[1]"
        assert message in fault.message

    def test_replaces_lists_where_it_says_so_and_leaves_absent_ones(self) -> None:
        document = kept(
            an_order(
                tags=["a", "b"],
                related_orders=["1"],
                external_ids=[{"id": "1", "providerName": "ERP"}],
                properties=[{"key": "a", "value": "1"}],
            )
        )
        tags: Json = {"tags": ["c"], "properties": [{"key": "b", "value": "2"}]}

        lists = order_of(patched_with(document, tags | {"keepExistingListItems": False}))
        own = order_of(patched_with(document, tags | {"keepExistingCustomProperties": False}))

        assert (lists.tags, lists.related_orders) == (["c"], ["1"])
        assert [one.key for one in lists.properties or ()] == ["a", "b"]
        assert own.tags == ["a", "b", "c"]
        assert [one.key for one in own.properties or ()] == ["b"]

    def test_finds_lines_payments_and_shipments_by_their_ids(self) -> None:
        line, payment = a_line(), a_payment(id="p-1", status="Pending")
        document = kept(
            an_order(
                order_form=a_form(line_items=[line], payments=[payment], shipments=[a_shipment()])
            )
        )

        after = order_of(
            patched_with(
                document,
                {
                    "orderForm": {
                        "lineItems": [
                            {"lineItemId": "1", "quantity": 3},
                            {"lineItemId": "2", "quantity": 1, "placedPrice": 10},
                        ],
                        "payments": [{"id": "p-1", "status": "Processed"}],
                        "shipments": [{"shipmentId": "1", "shipmentTrackingNumber": "T"}],
                    }
                },
            )
        )

        assert pieces_of(after) == [{"1": 3, "2": 1}]
        form = form_of(after)
        assert form.sub_total == 1507
        assert form.authorized_payment_total == 998
        assert shipments_of(after)[0].shipment_tracking_number == "T"
        assert lines_of(after)[0].display_name == "Product A"

    def test_needs_all_that_a_payment_has_of_a_new_one(self) -> None:
        document = kept(an_order(return_order_forms=[{"returnId": "R"}]))
        payment = {"amount": 1, "transactionType": "Sale", "status": "Paid"}

        problem = refusal_of(
            lambda: patched_with(
                document,
                {
                    "orderForm": {"payments": [payment]},
                    "returnOrderForms": [
                        {"returnId": "R", "payments": [payment | {"paymentMethodName": "Card"}]}
                    ],
                },
            )
        )

        assert paths(problem) == [
            "orderForm.payments[0].paymentMethodName",
            "orderForm.payments[0].transactionId",
            "returnOrderForms[0].payments[0].transactionId",
        ]

    def test_that_frees_the_order_may_come_with_other_changes(self) -> None:
        frozen = kept(an_order(is_read_only=True))

        freed = order_of(patched_with(frozen, {"isReadOnly": False, "tags": ["a"]}))
        problem = refusal_of(lambda: patched_with(frozen, {"tags": ["a"]}))

        assert (freed.is_read_only, freed.tags) == (False, ["a"])
        assert problem.slug == "order-read-only"

    def test_of_a_read_only_line_needs_to_free_it(self) -> None:
        document = kept(an_order(order_form=a_form(line_items=[a_line(is_read_only=True)])))
        comment = {"lineItemId": "1", "comment": "x"}

        freed = order_of(lines_patched(document, [comment | {"isReadOnly": False}]))
        problem = refusal_of(
            lambda: patched_with(document, {"orderForm": {"lineItems": [comment]}})
        )

        assert lines_of(freed)[0].comment == "x"
        assert (problem.slug, paths(problem)) == (
            "order-line-read-only",
            ["orderForm.lineItems[0]"],
        )

    def test_keeps_to_the_steps_that_a_status_enforces(self) -> None:
        statuses = (
            OrderStatus(
                name="New", order=1, available_steps=("B",), enforce_available_steps_policy=True
            ),
            OrderStatus(name="B", order=2),
            OrderStatus(name="C", order=3),
        )
        kind = DEFAULT.order_types[0].model_copy(update={"order_statuses": statuses})
        strict = DEFAULT.model_copy(update={"order_types": (kind,)})
        document = kept(an_order(order_type=kind.name), strict)

        entered = patched_with(document, {"status": "b"}, strict)
        problem = refusal_of(lambda: patched_with(document, {"status": "C"}, strict))

        assert order_of(entered).status == "B"
        assert problem.slug == "status-not-available"

    def test_takes_an_error_as_solved(self) -> None:
        document = kept(an_order(errors=[EntityError(key="a", message="x", status="New")]))
        solved = [{"key": "a", "message": "x", "status": "Solved"}]

        after = order_of(patched_with(document, {"errors": solved, "keepExistingListItems": False}))

        assert [one.status for one in after.errors or ()] == ["Solved"]


class TestPatchLines:
    def test_of_the_reference_deliver_and_cancel(self) -> None:
        document = holding(two_lines())

        progress = lines_patched(document, the_example("patch_order_lines"))

        first, second = lines_of(order_of(progress))
        assert first.delivered_quantity == 2
        assert first.serial_number == "SN-12345"
        assert second.canceled_quantity == 1
        assert second.cancel_reason == "Out of stock"
        assert second.canceled_date == LATER
        assert second.original_extended_price_per_unit == 499
        assert pieces_of(order_of(progress)) == [{"1": 2, "2": 4}]
        assert shipments_of(order_of(progress))[0].line_items == [first, second]
        assert [type(one) for one in progress.messages] == [ReleaseUnits]
        assert kinds(document, progress)[0][0] is OrderLineCancelled
        counts = result(progress)
        assert (counts["totalCount"], counts["updatedCount"]) == (2, 2)

    def test_count_lines_that_changed_that_did_not_and_that_are_not_there(self) -> None:
        document = two_lines()

        progress = lines_patched(
            document,
            [
                {"lineItemId": "1", "comment": "x"},
                {"lineItemId": "2", "quantity": 4, "totalx": 1},
                {"lineItemId": "9", "comment": "x"},
            ],
        )

        counts = result(progress)
        assert [
            counts[name]
            for name in ("totalCount", "updatedCount", "unchangedCount", "notFoundCount")
        ] == [3, 1, 1, 1]
        assert kinds(document, progress) == [(OrderUpdated, 310104, "Updated")]

    def test_of_lines_of_which_none_is_there_are_refused(self) -> None:
        problem = refusal_of(lambda: lines_patched(two_lines(), [{"lineItemId": "9"}]))

        assert (problem.status, paths(problem)) == (404, ["[0].lineItemId"])

    def test_of_one_line_twice_are_made_one_after_the_other(self) -> None:
        progress = lines_patched(
            two_lines(),
            [{"lineItemId": "1", "quantity": 5}, {"lineItemId": "1", "deliveredQuantity": 4}],
        )

        (line, _) = lines_of(order_of(progress))
        assert line.quantity == 5
        assert line.delivered_quantity == 4

    @pytest.mark.parametrize(
        ("patch", "bad"),
        [
            ({"deliveredQuantity": 3}, "deliveredQuantity"),
            ({"canceledQuantity": 3}, "canceledQuantity"),
            ({"returnQuantity": 3}, "returnQuantity"),
            ({"deliveredQuantity": 1, "returnQuantity": 2}, "returnQuantity"),
        ],
    )
    def test_keep_quantities_within_bounds(self, patch: Json, bad: str) -> None:
        problem = refusal_of(lambda: lines_patched(two_lines(), [{"lineItemId": "1", **patch}]))

        assert paths(problem) == [f"[0].{bad}"]

    def test_keep_what_is_delivered_and_cancelled_within_the_quantity(self) -> None:
        delivered = order_of(
            lines_patched(two_lines(), [{"lineItemId": "1", "deliveredQuantity": 2}])
        )
        document = two_lines().model_copy(update={"order": delivered})

        problem = refusal_of(
            lambda: lines_patched(document, [{"lineItemId": "1", "canceledQuantity": 1}])
        )

        assert paths(problem) == ["[0].deliveredQuantity", "[0].canceledQuantity"]

    def test_mind_their_own_properties(self) -> None:
        line = a_line(properties=[{"key": "a", "value": "1"}, {"key": "b", "value": "1"}])
        document = kept(an_order(order_form=a_form(line_items=[line])))
        patch = {"lineItemId": "1", "properties": [{"key": "c", "value": "1"}]}

        merged = lines_patched(document, [patch | {"propertiesRemovalConditions": [{"key": "a"}]}])
        replaced = lines_patched(document, [patch | {"keepExistingCustomProperties": False}])

        assert [one.key for one in lines_of(order_of(merged))[0].properties or ()] == ["b", "c"]
        assert [one.key for one in lines_of(order_of(replaced))[0].properties or ()] == ["c"]

    def test_need_a_comment_for_cancelled_units_where_the_settings_say_so(self) -> None:
        strict = settings_with(
            order_line_settings=OrderLineSettings(is_cancel_comment_required=True)
        )
        patch = {"lineItemId": "1", "canceledQuantity": 1}

        problem = refusal_of(lambda: lines_patched(two_lines(), [patch], strict))
        fine = lines_patched(two_lines(), [patch | {"cancelComment": "gone"}], strict)

        assert paths(problem) == ["[0].cancelComment"]
        assert lines_of(order_of(fine))[0].canceled_quantity == 1

    def test_that_take_back_a_cancellation_forget_the_price_of_one(self) -> None:
        once = lines_patched(two_lines(), [{"lineItemId": "1", "canceledQuantity": 1}])

        back = lines_patched(once.document, [{"lineItemId": "1", "canceledQuantity": 0}])

        line = lines_of(order_of(back))[0]
        assert line.canceled_quantity == 0
        assert line.original_extended_price_per_unit is None
        assert form_of(order_of(back)).total == form_of(two_lines().order).total


def everywhere() -> OrderDocument:
    """Return an order that names its lines 1 and 2 wherever a line can be named."""
    order = two_lines(package_line_item_id="1").order
    form = order.order_form
    assert form is not None
    body = seen(order)
    (shipment,) = body["orderForm"]["shipments"]
    shipment["packages"] = [{"id": "P", "lineItemReferences": [{"lineItemId": "1", "quantity": 1}]}]
    body["orderForm"]["payments"][0]["orderLineReferences"] = [{"lineItemId": "2"}]
    body["orderForm"]["lineItems"][1]["properties"] = [
        {"key": "splitFromLineItemId", "value": "1"},
        {"key": "other", "value": "1"},
    ]
    body["returnOrderForms"] = [{"returnId": "R", "lineItems": [{"lineItemId": "1"}]}]
    body["orderNotes"] = [{"id": "n", "lineItemId": "2", "detail": "1"}]
    return kept(Order.model_validate(body))


class TestRenameLines:
    def test_change_ids_everywhere_at_once_so_that_two_may_swap(self) -> None:
        document = everywhere()

        progress = lines_renamed(document, **{"1": "2", "2": "1"})

        after = seen(order_of(progress))
        assert [line["lineItemId"] for line in after["orderForm"]["lineItems"]] == ["2", "1"]
        assert after["orderForm"]["lineItems"][1]["packageLineItemId"] == "2"
        (shipment,) = after["orderForm"]["shipments"]
        assert [line["lineItemId"] for line in shipment["lineItems"]] == ["2", "1"]
        assert shipment["packages"][0]["lineItemReferences"] == [{"lineItemId": "2", "quantity": 1}]
        assert after["orderForm"]["payments"][0]["orderLineReferences"] == [{"lineItemId": "1"}]
        assert [one["value"] for one in after["orderForm"]["lineItems"][1]["properties"]] == [
            "2",
            "1",
        ]
        assert after["returnOrderForms"][0]["lineItems"][0]["lineItemId"] == "2"
        assert (after["orderNotes"][0]["lineItemId"], after["orderNotes"][0]["detail"]) == (
            "1",
            "1",
        )
        assert after["orderForm"]["total"] == seen(document.order)["orderForm"]["total"]
        assert progress.messages == [
            RenameReservedLines(order_id=document.id, line_item_ids={"1": "2", "2": "1"})
        ]
        assert result(progress) == {
            "isModified": True,
            "totalRequested": 2,
            "updatedCount": 2,
            "notFoundCount": 0,
            "errorMessage": None,
            "details": {
                "orderFormLineItemsUpdated": 2,
                "shipmentLineItemsUpdated": 2,
                "returnOrderFormLineItemsUpdated": 1,
            },
        }

    def test_back_make_the_order_what_it_was(self) -> None:
        document = everywhere()

        there = lines_renamed(document, **{"1": "a", "2": "b"})
        back = lines_renamed(there.document, a="1", b="2")

        assert order_of(back) == document.order

    def test_leave_out_lines_that_are_not_there(self) -> None:
        progress = lines_renamed(two_lines(), **{"1": "a", "9": "b"})

        counts = result(progress)
        assert (counts["updatedCount"], counts["notFoundCount"]) == (1, 1)
        assert "1 of the lines" in counts["errorMessage"]

    def test_to_the_same_ids_change_nothing(self) -> None:
        progress = lines_renamed(two_lines(), **{"1": "1"})

        assert progress.is_unchanged
        assert (result(progress)["isModified"], progress.messages) == (False, [])

    def test_that_would_make_two_lines_one_are_refused(self) -> None:
        problem = refusal_of(lambda: lines_renamed(two_lines(), **{"1": "2"}))

        assert (problem.status, paths(problem)) == (400, ["lineItemIdMappings[0].newLineItemId"])

    def test_gives_no_line_a_blank_id(self) -> None:
        mappings = [{"oldLineItemId": "1", "newLineItemId": " "}]

        with pytest.raises(Invalid) as refused:
            parse(LineIdsPatch, {"orderId": "1", "lineItemIdMappings": mappings})

        (fault,) = refused.value.errors
        assert fault.path == "lineItemIdMappings[0].newLineItemId"

    def test_of_one_line_twice_are_refused(self) -> None:
        mappings = [{"oldLineItemId": "1", "newLineItemId": new} for new in ("a", "b")]

        with pytest.raises(Invalid) as invalid:
            parse(LineIdsPatch, {"orderId": "1", "lineItemIdMappings": mappings})

        assert [one.path for one in invalid.value.errors] == ["lineItemIdMappings[1].oldLineItemId"]

    def test_of_a_read_only_line_are_refused(self) -> None:
        document = two_lines(is_read_only=True)

        problem = refusal_of(lambda: lines_renamed(document, **{"2": "b"}))

        assert problem.slug == "order-line-read-only"
