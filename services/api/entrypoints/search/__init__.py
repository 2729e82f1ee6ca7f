"""Finding orders: lists, counts, searches, scrolls (S0; domain 1.2, 1.3)."""

from typing import Final

from contracts.order_search import (
    OrderScroll,
    OrderScrollResult,
    OrderSearch,
    OrderSearchResult,
)
from services.api.entrypoints.routing import Route
from services.api.entrypoints.search.lists import (
    CustomerOrders,
    CustomProperty,
    OrderCount,
    OrderList,
    OrderListByType,
    count_orders,
    get_customer_orders,
    get_orders,
    get_orders_by_type,
    search_by_custom_properties,
)
from services.api.entrypoints.search.scrolling import scroll_on, scroll_orders
from services.api.entrypoints.search.searching import search_customer_orders, search_orders

ROUTES: Final = (
    Route(
        method="GET",
        path="/api/Orders/GetOrders",
        handler=get_orders,
        requires="OrderRead",
        query=OrderList,
        answer=OrderSearchResult,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path="/api/Orders/GetOrders/ByOrderType",
        handler=get_orders_by_type,
        requires="OrderRead",
        query=OrderListByType,
        answer=OrderSearchResult,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path="/api/Orders/GetOrders/Count",
        handler=count_orders,
        requires="OrderRead",
        query=OrderCount,
        answer=int,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path="/api/Orders/Customers/{customerId}/Orders",
        handler=get_customer_orders,
        requires="OrderRead",
        query=CustomerOrders,
        answer=OrderSearchResult,
        problems=("validation-failed",),
    ),
    Route(
        method="POST",
        path="/api/Orders/Search",
        handler=search_orders,
        requires="OrderRead",
        body=OrderSearch,
        answer=OrderSearchResult,
    ),
    Route(
        method="POST",
        path="/api/Orders/Customers/{customerId}/Orders/Search",
        handler=search_customer_orders,
        requires="OrderRead",
        body=OrderSearch,
        answer=OrderSearchResult,
    ),
    Route(
        method="POST",
        path="/api/Orders/SearchByCustomProperties",
        handler=search_by_custom_properties,
        requires="OrderRead",
        query=CustomProperty,
        answer=OrderSearchResult,
        problems=("validation-failed",),
    ),
    Route(
        method="POST",
        path="/api/Orders/Scroll",
        handler=scroll_orders,
        requires="OrderRead",
        body=OrderScroll,
        answer=OrderScrollResult,
    ),
    Route(
        method="GET",
        path="/api/Orders/Scroll/{scrollId}",
        handler=scroll_on,
        requires="OrderRead",
        answer=OrderScrollResult,
        problems=("scroll-not-found",),
    ),
)
