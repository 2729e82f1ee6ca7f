"""One shipment enters a status, and its workflow runs for that one alone (S3)."""

from decimal import Decimal
from typing import Final

import pytest

from contracts.faults import Invalid
from contracts.messages.inventory import ReduceStock, ReleaseUnits, ReserveStock
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import (
    OrderCompleted,
    OrderShipmentUpdated,
    OrderStatusChanged,
    StepFinished,
    StepStatus,
    UpdateOrderStatus,
)
from contracts.messages.payments import CapturePayment, VoidPayment
from contracts.model import parse
from contracts.problems import Problem
from contracts.settings import DEFAULT, Configuration, OrderStatus, WorkflowStep
from contracts.shipment import Shipment, ShipmentInfo
from services.chassis.outcomes import Refused
from services.workflow.domain.events import conclude
from services.workflow.domain.finish_step import finish_step
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.run import Progress
from services.workflow.domain.update_status import update_status
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order
from tests.unit.workflow.kept import (
    CAUSE,
    LATER,
    Json,
    form_of,
    holding,
    kept,
    lines_of,
    patched_with,
    seen,
    shipments_of,
)


def two_shipments(configuration: Configuration = DEFAULT) -> OrderDocument:
    """Return an order of 2 x 499 and 1 x 100 whose lines leave apart, all held and authorized."""
    lines = [a_line(), a_line(line_item_id="2", code="SKU-002", quantity=1, placed_price=100)]
    shipments = [
        a_shipment(shipment_id=str(place + 1), line_items=[line], shipping_sub_total=0)
        for place, line in enumerate(lines)
    ]
    payment = a_payment(id="p", amount=1098, status="Processed")
    form = a_form(line_items=lines, shipments=shipments, payments=[payment])
    return holding(kept(an_order(order_form=form, status="New"), configuration))


def in_pieces() -> OrderDocument:
    """Return an order of 2 x 499, of which each shipment holds one."""
    piece = a_line(quantity=1)
    shipments = [a_shipment(shipment_id=id_, line_items=[piece]) for id_ in ("1", "2")]
    return holding(kept(an_order(order_form=a_form(shipments=shipments), status="New")))


def entering(
    document: OrderDocument,
    status: str,
    info: Json,
    configuration: Configuration = DEFAULT,
    **more: bool,
) -> Progress:
    command = UpdateOrderStatus(
        order_id=document.id,
        status=status,
        shipment_info=parse(ShipmentInfo, info).value,
        user="shop",
        origin="POST …",
        **more,
    )
    command = UpdateOrderStatus.model_validate_json(command.data())
    return update_status(document, command, CAUSE, now=LATER, configuration=configuration)


_SKIP: Final = {"skip_run_workflow": True}


def answered(progress: Progress, configuration: Configuration = DEFAULT, **more: Json) -> Progress:
    """Answer the step in hand with a success, or as `more` says."""
    run = progress.document.run
    assert run is not None
    finished = {"orderId": progress.document.id, "runId": run.id, "step": run.position}
    told = StepFinished.model_validate(finished | {"status": StepStatus.SUCCESS} | more)
    return finish_step(progress.document, told, now=LATER, configuration=configuration)


def running(*steps: str, **status: object) -> Configuration:
    """Return settings in which the status Next runs these steps."""
    (kind, *others) = DEFAULT.order_types
    following = OrderStatus.model_validate(
        {
            "name": "Next",
            "order": 7,
            "workflow_steps": [WorkflowStep(name=name) for name in steps],
            **status,
        }
    )
    kind = kind.model_copy(update={"order_statuses": (*kind.order_statuses, following)})
    return DEFAULT.model_copy(update={"order_types": (kind, *others)})


def statuses(document: OrderDocument) -> list[str | None]:
    return [document.order.status, *(one.order_status for one in shipments_of(document.order))]


def kinds(before: OrderDocument, progress: Progress) -> list[type]:
    assert progress.ended is not None
    _, told = conclude(
        progress,
        progress.ended,
        before=before.order,
        now=LATER,
        configuration=DEFAULT,
        seed="abcdef",
    )
    return [type(one.event) for one in told]


def refusal_of(document: OrderDocument, status: str, info: Json) -> Problem:
    with pytest.raises(Refused) as refused:
        entering(document, status, info)
    return refused.value.problem


class TestStatus:
    def test_is_the_shipments_until_all_are_there_and_then_the_orders(self) -> None:
        document = two_shipments()

        first = entering(document, "completed", {"shipmentId": "1"})
        second = entering(first.document, "Completed", {"shipmentId": "2"})

        assert statuses(first.document) == ["New", "Completed", "New"]
        assert first.document.order.completed is None
        assert kinds(document, first) == [OrderShipmentUpdated]
        assert statuses(second.document) == ["Completed", "Completed", "Completed"]
        assert second.document.order.completed == LATER
        assert kinds(first.document, second) == [OrderStatusChanged, OrderCompleted]

    def test_is_that_of_the_first_shipment_where_none_is_named(self) -> None:
        progress = entering(two_shipments(), "InProgress", {"trackingNumber": "T"})

        assert statuses(progress.document) == ["New", "InProgress", "New"]

    def test_of_the_shipment_goes_before_that_of_the_request(self) -> None:
        progress = entering(
            two_shipments(), "Completed", {"shipmentId": "2", "orderStatus": "PackedAndReady"}
        )

        assert statuses(progress.document) == ["New", "New", "PackedAndReady"]

    def test_takes_the_order_to_its_main_status(self) -> None:
        configuration = running(main_order_status="completed")
        document = two_shipments(configuration)

        first = entering(document, "Next", {"shipmentId": "1"}, configuration)
        second = entering(first.document, "Next", {"shipmentId": "2"}, configuration)

        assert statuses(second.document) == ["Completed", "Next", "Next"]
        assert second.document.order.completed == LATER

    def test_takes_the_order_along_with_the_furthest_one_where_its_type_says_so(self) -> None:
        configuration = running(main_order_status="Ship", order=3)
        (kind, *others) = configuration.order_types
        kind = kind.model_copy(update={"derive_order_status_from_shipments": True})
        configuration = configuration.model_copy(update={"order_types": (kind, *others)})
        document = two_shipments(configuration)

        first = entering(document, "Next", {"shipmentId": "1"}, configuration)
        behind = entering(first.document, "InProgress", {"shipmentId": "2"}, configuration)
        cancelled = entering(
            first.document, "OrderCanceled", {"shipmentId": "2"}, configuration, **_SKIP
        )
        ended = entering(
            cancelled.document, "OrderCanceled", {"shipmentId": "1"}, configuration, **_SKIP
        )

        assert statuses(first.document) == ["Ship", "Next", "New"]
        assert kinds(document, first) == [OrderStatusChanged]
        assert statuses(behind.document) == ["Ship", "Next", "InProgress"]
        assert statuses(cancelled.document) == ["Ship", "Next", "OrderCanceled"]
        assert statuses(ended.document) == ["OrderCanceled", "OrderCanceled", "OrderCanceled"]

    def test_moves_on_by_a_step_for_that_shipment_alone(self) -> None:
        step = {"name": "ChangeStatus", "properties": [{"key": "ToStatus", "value": "Completed"}]}
        configuration = running(workflow_steps=[step])

        progress = entering(
            two_shipments(configuration), "Next", {"shipmentId": "2"}, configuration
        )

        assert statuses(progress.document) == ["New", "New", "Completed"]

    def test_delivers_what_the_shipment_holds(self) -> None:
        whole = entering(two_shipments(), "Completed", {"shipmentId": "2"}).document.order
        piece = entering(in_pieces(), "Completed", {"shipmentId": "2"}).document.order

        assert [line.delivered_quantity for line in lines_of(whole)] == [None, 1]
        assert [line.delivered_quantity for line in lines_of(piece)] == [1]
        held = [(one.line_items or [])[0] for one in shipments_of(piece)]
        assert [line.delivered_quantity or 0 for line in held] == [0, 1]

    @pytest.mark.parametrize(
        ("status", "path"), [("Ship", "shipmentInfo.orderStatus"), ("Nowhere", "status")]
    )
    def test_is_refused_naming_the_status_that_is_unknown(self, status: str, path: str) -> None:
        info = {"orderStatus": "Nowhere" if status == "Ship" else "Ship"}

        problem = refusal_of(two_shipments(), status, info)

        assert problem.slug == "unknown-status"
        assert [(one.path, one.got) for one in problem.errors or ()] == [(path, "Nowhere")]

    @pytest.mark.parametrize(
        ("status", "info", "slug"),
        [
            ("Ship", {"shipmentId": "9"}, "shipment-not-found"),
            ("Deleted", {"shipmentId": "1"}, "status-not-available"),
            ("Ship", {"orderStatus": "deleted"}, "status-not-available"),
        ],
    )
    def test_is_refused(self, status: str, info: Json, slug: str) -> None:
        assert refusal_of(two_shipments(), status, info).slug == slug

    @pytest.mark.parametrize(("cancelled", "place"), [("1", 1), ("2", 0)])
    def test_takes_no_new_lines_once_it_is_cancelled(self, cancelled: str, place: int) -> None:
        info = {"shipmentId": cancelled}
        document = entering(two_shipments(), "OrderCanceled", info, skip_run_workflow=True).document
        new = {"lineItemId": "3", "code": "SKU-003", "quantity": 1}

        order = patched_with(document, {"orderForm": {"lineItems": [new]}}).document.order

        held = [line.line_item_id for line in shipments_of(order)[place].line_items or ()]
        assert held == [str(place + 1), "3"]

    def test_of_an_order_without_shipments_is_refused(self) -> None:
        document = kept(an_order(order_form=None, status="New"))

        assert refusal_of(document, "Ship", {"trackingNumber": "T"}).slug == "shipment-not-found"

    def test_is_only_set_where_no_workflow_is_wanted(self) -> None:
        progress = entering(two_shipments(), "Ship", {"shipmentId": "1"}, skip_run_workflow=True)

        assert progress.messages == ()
        assert statuses(progress.document) == ["New", "Ship", "New"]
        assert [one.status for one in shipments_of(progress.document.order)] == [
            "Released",
            "AwaitingInventory",
        ]


class TestShipmentInfo:
    def test_is_written_on_the_shipment_under_its_own_names(self) -> None:
        info = {
            "shipmentId": "2",
            "shipmentMethodName": "Bring",
            "shippingMethodProductId": "5800",
            "trackingUrl": "https://tracking.bring.com/12345",
            "trackingNumber": "12345",
            "labelLink": "https://labels.example/1",
            "returnLabelLink": "https://labels.example/2",
            "returnTrackingLink": "https://tracking.bring.com/54321",
            "returnTrackingNumber": "54321",
            "comment": "ring twice",
            "servicePointId": "S-1",
            "pickUpPointInformation": {"name": "Kiosk", "address": {"city": "Oslo"}},
            "packages": [{"id": "P-1", "weightInKg": 1.5}],
        }

        progress = entering(two_shipments(), "InProgress", info)

        first, second = seen(progress.document.order)["orderForm"]["shipments"]
        expected = {
            "shippingMethodName": "Bring",
            "shippingMethodProductId": "5800",
            "shipmentTrackingLink": "https://tracking.bring.com/12345",
            "shipmentTrackingNumber": "12345",
            "shipmentLabelLink": "https://labels.example/1",
            "returnLabelLink": "https://labels.example/2",
            "returnTrackingLink": "https://tracking.bring.com/54321",
            "returnTrackingNumber": "54321",
            "comment": "ring twice",
            "servicePointId": "S-1",
            "pickUpPointInformation": {"name": "Kiosk", "address": {"city": "Oslo"}},
            "packages": [{"id": "P-1", "weightInKg": 1.5}],
        }
        assert {name: second[name] for name in expected} == expected
        assert "trackingUrl" not in second
        assert "shipmentTrackingLink" not in first

    def test_adds_ids_and_properties_and_replaces_packages(self) -> None:
        shipment = a_shipment(
            external_ids=[{"providerName": "erp", "id": "1"}, {"providerName": "wms", "id": "2"}],
            properties=[{"key": "a", "value": "1"}],
            packages=[{"id": "P-1"}, {"id": "P-2"}],
            comment="stays",
        )
        document = kept(an_order(order_form=a_form(shipments=[shipment])))

        progress = entering(
            document,
            "InProgress",
            {
                "externalIds": [{"providerName": "erp", "id": "9"}],
                "properties": [{"key": "b", "value": "2"}],
                "packages": [{"id": "P-3"}],
                "comment": None,
            },
        )

        (after,) = shipments_of(progress.document.order)
        assert [one.id for one in after.external_ids or ()] == ["9", "2"]
        assert [one.key for one in after.properties or ()] == ["a", "b"]
        assert [one.id for one in after.packages or ()] == ["P-3"]
        assert after.comment == "stays"

    def test_takes_what_the_lines_hold_along_to_another_warehouse(self) -> None:
        progress = entering(
            two_shipments(), "InProgress", {"shipmentId": "2", "warehouseCode": "Bergen"}
        )

        (moved,) = progress.messages
        assert isinstance(moved, ReserveStock)
        assert [(one.line_item_id, one.warehouse_code) for one in moved.lines] == [("2", "Bergen")]

    def test_refuses_what_is_no_status(self) -> None:
        with pytest.raises(Invalid) as invalid:
            parse(ShipmentInfo, {"orderStatus": ""})

        assert [one.path for one in invalid.value.errors] == ["orderStatus"]


class TestWorkflow:
    def test_charges_and_takes_out_what_the_shipment_holds(self) -> None:
        document = two_shipments()

        capturing = entering(document, "Ship", {"shipmentId": "2"})
        paid = a_payment(
            id="c", amount=100, transaction_type="Capture", status="Processed", shipment_id="2"
        )
        reducing = answered(capturing, payments=[paid])
        notifying = answered(reducing)
        shipped = answered(notifying)
        again = entering(shipped.document, "Ship", {"shipmentId": "2"})
        rest = entering(shipped.document, "Ship", {"shipmentId": "1"})

        (capture,) = capturing.messages
        assert isinstance(capture, CapturePayment)
        assert [(one.amount, one.shipment_id) for one in capture.operations] == [
            (Decimal(100), "2")
        ]
        (reduce,) = reducing.messages
        assert isinstance(reduce, ReduceStock)
        assert [one.line_item_id for one in reduce.lines] == ["2"]
        (mail,) = notifying.messages
        assert isinstance(mail, SendNotification)
        assert [one.quantity for one in mail.lines] == [1]
        assert mail.total == 100
        assert statuses(shipped.document) == ["New", "New", "Ship"]
        assert [type(one) for one in again.messages] == [ReduceStock]  # which is told a repeat
        (other,) = rest.messages
        assert isinstance(other, CapturePayment)
        assert [(one.amount, one.shipment_id) for one in other.operations] == [(Decimal(998), "1")]

    def test_gives_back_what_a_cancelled_shipment_holds_and_keeps_the_money(self) -> None:
        document = two_shipments()

        releasing = entering(document, "OrderCanceled", {"shipmentId": "2"})
        notifying = answered(releasing, reserved={"1": 2, "2": 0})
        cancelled = answered(notifying)
        voiding = entering(cancelled.document, "OrderCanceled", {"shipmentId": "1"})

        for release in releasing.messages:  # for the status, and for its step
            assert isinstance(release, ReleaseUnits)
            assert [(one.shipment_id, one.quantity) for one in release.lines] == [("2", Decimal(0))]
        first, second = lines_of(cancelled.document.order)
        assert (first.canceled_date, second.canceled_date) == (None, LATER)
        assert first.reserved_inventory_quantity == 2
        assert second.reserved_inventory_quantity == 0
        assert cancelled.ended is not None
        assert cancelled.ended.results[0].action_status is StepStatus.WARNING
        assert [type(one) for one in voiding.messages] == [ReleaseUnits, VoidPayment]

    def test_lets_a_cancelled_shipment_hold_nothing_though_no_step_says_so(self) -> None:
        configuration = running(is_canceled_status=True)
        document = in_pieces()

        cancelled = entering(document, "Next", {"shipmentId": "2"}, configuration)
        back = entering(
            cancelled.document, "InProgress", {"shipmentId": "2"}, configuration, **_SKIP
        )

        (release,) = cancelled.messages
        assert isinstance(release, ReleaseUnits)
        assert [(one.shipment_id, one.quantity) for one in release.lines] == [
            ("1", Decimal(1)),
            ("2", Decimal(0)),
        ]
        (line,) = lines_of(cancelled.document.order)
        assert line.reserved_inventory_quantity == 1
        assert line.canceled_date is None  # the other shipment has a piece of it
        assert [type(one) for one in back.messages] == [ReserveStock]

    def test_that_is_aborted_gives_back_that_shipments_goods_alone(self) -> None:
        configuration = running("IncreaseReservedInventory", "ValidateTrackingNumber")
        document = two_shipments(configuration)

        reserving = entering(document, "Next", {"shipmentId": "2"}, configuration)
        aborted = answered(reserving, configuration, reserved={"1": 2, "2": 1})

        (reserve,) = reserving.messages
        assert isinstance(reserve, ReserveStock)
        assert [one.line_item_id for one in reserve.lines] == ["2"]
        assert aborted.aborted
        (release,) = aborted.messages
        assert isinstance(release, ReleaseUnits)
        assert [one.line_item_id for one in release.lines] == ["2"]
        assert [line.reserved_inventory_quantity for line in lines_of(aborted.document.order)] == [
            2,
            0,
        ]
        assert statuses(aborted.document) == ["New", "New", "Next"]

    def test_reserves_every_piece_of_a_line_so_that_none_is_given_back(self) -> None:
        configuration = running("IncreaseReservedInventory")

        (reserve,) = entering(in_pieces(), "Next", {"shipmentId": "2"}, configuration).messages

        assert isinstance(reserve, ReserveStock)
        assert [one.shipment_id for one in reserve.lines] == ["1", "2"]
        assert [one.quantity for one in reserve.lines] == [1, 1]

    def test_changes_that_shipment_alone(self) -> None:
        configuration = running("CompleteShipment", "SetCompletedDate", "SetReadyForPickupDate")

        first = entering(two_shipments(configuration), "Next", {"shipmentId": "2"}, configuration)
        second = entering(first.document, "Next", {"shipmentId": "1"}, configuration)

        assert [one.completed for one in shipments_of(first.document.order)] == [None, LATER]
        assert (first.document.order.completed, first.document.order.ready_for_pickup) == (
            None,
            None,
        )
        assert second.document.order.completed == LATER
        assert second.document.order.ready_for_pickup == LATER

    def test_of_a_shipment_minds_where_that_leaves_from(self) -> None:
        step = {"name": "CompleteShipment", "enabledForWarehouses": ["Bergen"]}
        configuration = running(workflow_steps=[step])
        document = two_shipments(configuration)
        form = form_of(document.order)
        there: list[Shipment] = [
            one.model_copy(update={"warehouse_code": code})
            for one, code in zip(form.shipments or (), ("Bergen", "Oslo"), strict=True)
        ]
        form = form.model_copy(update={"shipments": there})
        order = document.order.model_copy(update={"order_form": form})
        document = document.model_copy(update={"order": order})

        progress = entering(document, "Next", {"shipmentId": "2"}, configuration)

        assert [one.completed for one in shipments_of(progress.document.order)] == [None, None]
        assert form.total == Decimal(1098)
