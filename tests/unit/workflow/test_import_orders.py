"""Importing orders: they stay as they were sent."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from contracts.messages.orders import ImportOrders, OrderCreated
from contracts.order import Order
from contracts.settings import DEFAULT, Configuration, DefaultProperty
from services.chassis.outcomes import Refused
from services.workflow.domain.events import conclude
from services.workflow.domain.import_orders import import_order
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import a_form, an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = UUID("11111111-1111-1111-1111-111111111111")


def imported(
    order: Order,
    *,
    place: int = 0,
    existing: OrderDocument | None = None,
    configuration: Configuration = DEFAULT,
) -> tuple[Progress, Run]:
    command = ImportOrders(
        order_id=order.id,
        orders=(order,),
        places=(place,),
        user="shop",
        origin="POST /api/Orders/ImportMany",
        ignored_fields={4: ("colour",)},
    )
    cause = Cause(COMMAND, str(COMMAND), 3, size=2_000)
    return import_order(
        existing, order, place, command, cause, now=NOW, configuration=configuration
    )


def with_settings(**changes: object) -> Configuration:
    settings = DEFAULT.order_settings.model_copy(update=changes)
    return DEFAULT.model_copy(update={"order_settings": settings})


class TestAnImportedOrder:
    def test_keeps_its_status_and_its_amounts(self) -> None:
        order = an_order(status="Ship", order_form=a_form(total=Decimal(5)))

        progress, run = imported(order)

        kept = progress.document.order
        assert (kept.status, run.status) == ("Ship", "Ship")
        assert kept.order_form is not None
        assert kept.order_form.total == 5
        assert kept.order_form.tax_total is None
        assert kept.completed is None
        assert progress.document.run is None
        assert progress.messages == ()

    def test_is_calculated_where_the_settings_say_so(self) -> None:
        order = an_order(order_form=a_form(total=Decimal(5)))
        configuration = with_settings(is_order_calculator_run_on_import=True)

        progress, _ = imported(order, configuration=configuration)

        assert progress.document.order.order_form is not None
        assert progress.document.order.order_form.total == 998

    def test_is_told_as_imported(self) -> None:
        progress, run = imported(an_order(), place=4)

        document, (told,) = conclude(
            progress, run, before=None, now=NOW, configuration=DEFAULT, seed="f" * 32
        )

        assert isinstance(told.event, OrderCreated)
        assert (told.event.operation_id, told.event.category) == (110106, "Imported")
        assert (document.version, document.order.modified_by) == (1, "shop")
        assert run.ignored_fields == ("colour",)

    def test_has_payments_with_ids_of_their_own(self) -> None:
        payments = []
        for place in range(2):
            form = imported(an_order(), place=place)[0].document.order.order_form
            assert form is not None
            payments += form.payments or []

        assert len({payment.id for payment in payments}) == 2

    def test_gets_the_default_properties(self) -> None:
        configuration = with_settings(
            default_properties=(DefaultProperty(key="Channel", value="web"),)
        )

        progress, _ = imported(an_order(), configuration=configuration)

        [item] = progress.document.order.properties or []
        assert (item.key, item.value) == ("Channel", "web")

    def test_leaves_alone_what_exists(self) -> None:
        order = an_order()

        with pytest.raises(Refused) as refused:
            imported(order, existing=OrderDocument(id=order.id, order=order))

        assert refused.value.problem.slug == "duplicate-order-id"
