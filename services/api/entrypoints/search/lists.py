"""Lists of orders by what is asked for most, and how many there are (domain 1.2)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from contracts.fields import LONGEST_LIST, Whole
from contracts.model import LONGEST_TEXT, Model
from contracts.moment import Moment
from contracts.note import PropertyItem
from contracts.order_search import LARGEST_PAGE, USUAL_PAGE, OrderSearch, within_window
from contracts.problems import FieldProblem
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Response
from services.api.entrypoints.search.answer import found_response
from services.api.queries.search import Page

Texts = Annotated[list[str], Field(max_length=LONGEST_LIST)]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]


class OrderPaging(Model):
    """Which page of a list of orders; the first one is 1."""

    page: Annotated[Whole, Field(ge=1)] = 1
    """The first one is 1; page * pageSize is at most 10,000."""
    page_size: Annotated[Whole, Field(ge=1, le=LARGEST_PAGE)] = USUAL_PAGE
    """Orders on a page."""

    @model_validator(mode="after")
    def _within_the_window(self) -> "OrderPaging":
        within_window(self.page_size, self.page, "pageSize")
        return self


class OrderCount(Model):
    """Which orders are counted."""

    other_names: ClassVar[Mapping[str, str]] = {"modifiedSince": "changedSince"}

    store_id: Texts = Field(default=[])
    """Only orders of one of these stores."""
    filter_on_warehouse: bool = False
    """If true, only orders with a shipment that leaves from one of these stores."""
    status: Texts = Field(default=[])
    """Only orders in one of these statuses."""
    order_types: Texts = Field(default=[])
    """Only orders of one of these types."""
    changed_since: Moment = None
    """Only what changed at or after this time."""


class OrderList(OrderPaging):
    """Which orders are listed."""

    other_names: ClassVar[Mapping[str, str]] = {"modifiedSince": "changedSince"}

    store_id: Texts = Field(default=[])
    """Only orders of one of these stores."""
    status: Texts = Field(default=[])
    """Only orders in one of these statuses."""
    changed_since: Moment = None
    """Only what changed at or after this time. Take the latest `modified` that was answered, or the
    time of the last request, for the next list: nothing that changes meanwhile is missed."""


class OrderListByType(OrderList):
    """Which orders of which types are listed."""

    order_types: Texts = Field(default=[])
    """Only orders of one of these types."""


class CustomerOrders(OrderPaging):
    """Which orders of a customer are listed."""

    status: Texts = Field(default=[])
    """Only orders in one of these statuses."""


class CustomProperty(OrderPaging):
    """The property that orders are to have."""

    key: Text
    """The property's key, exactly."""
    value: Text
    """Its value, exactly."""


async def get_orders(request: Request, parts: Parts) -> Response:
    """Return the orders of these stores and statuses that changed since then, the newest first.

    `storeId` may be left out unless the setting `strictSeed` is on.
    """
    query = query_of(request, OrderList)
    named = any(store.strip() for store in query.store_id)
    if not named and parts.configuration().order_settings.strict_seed:
        fault = FieldProblem(path="storeId", message="is required")
        raise refusal("validation-failed", errors=[fault])
    return await _list(_listed(query), query, request, parts)


async def get_orders_by_type(request: Request, parts: Parts) -> Response:
    """Return the orders of these types, stores and statuses that changed since then."""
    query = query_of(request, OrderListByType)
    search = _listed(query).model_copy(update={"order_types": query.order_types})
    return await _list(search, query, request, parts)


async def count_orders(request: Request, parts: Parts) -> Response:
    """Return how many orders of these stores, statuses and types changed since then.

    The stores are those of the orders, or with `filterOnWarehouse` those that shipments leave from.
    """
    query = query_of(request, OrderCount)
    stores = "selected_warehouses" if query.filter_on_warehouse else "selected_stores"
    search = OrderSearch(
        selected_statuses=query.status,
        order_types=query.order_types,
        modified_from=query.changed_since,
    ).model_copy(update={stores: query.store_id})
    count = await parts.searches.count(
        search, request.client, now=parts.clock.now(), configuration=parts.configuration()
    )
    return Response(OK, b"%d" % count)


async def get_customer_orders(request: Request, parts: Parts) -> Response:
    """Return the orders of a customer, the newest first."""
    query = query_of(request, CustomerOrders)
    search = OrderSearch(
        customer_id=request.parameters["customerId"],
        selected_statuses=query.status,
        disable_facets=True,
    )
    return await _list(search, query, request, parts)


async def search_by_custom_properties(request: Request, parts: Parts) -> Response:
    """Return the orders that have a custom property with this key and value."""
    query = query_of(request, CustomProperty)
    wanted = PropertyItem(key=query.key, value=query.value)
    search = OrderSearch(property=wanted, disable_facets=True)
    return await _list(search, query, request, parts)


def _listed(query: OrderList) -> OrderSearch:
    return OrderSearch(
        selected_stores=query.store_id,
        selected_statuses=query.status,
        modified_from=query.changed_since,
        disable_facets=True,
    )


async def _list(
    search: OrderSearch, paging: OrderPaging, request: Request, parts: Parts
) -> Response:
    """Answer a list; its pages begin with 1, whatever those of a search begin with."""
    take, number = paging.page_size, paging.page
    found = await parts.searches.find(
        search,
        Page((number - 1) * take, take, request.token),
        request.client,
        now=parts.clock.now(),
        configuration=parts.configuration(),
    )
    return found_response(found, number, take, parts, ())
