import pytest
from pydantic_core import to_json

from contracts.faults import Invalid
from contracts.model import parse
from contracts.order_search import OrderScroll, OrderSearch

# The search request of the order reference.
DOCUMENTED = """
    take page sortOrder disableFacets searchText orderNumber selectedStores selectedStatuses
    excludedStatuses selectedMarkets orderType salesChannels tags excludedTags email phone
    customerName customerNumber customerId customerIds contactPersonPhone contactPersonEmail
    salesPersonId createdFrom createdTo modifiedFrom modifiedTo readyForPickupFrom readyForPickupTo
    completedFrom completedTo followUpDateFrom followUpDateTo productNumbers productSerialNumbers
    productTypes paymentStatuses paymentTransactionTypes paymentTransactionStatus
    paymentTransactionDateFrom paymentTransactionDateTo showOrdersWithAuthExpires inventoryStatus
    shippingMethodNames selectedDiscounts externalIds shipmentExternalIds urgent futureDeliveries
    hasErrors property properties projectId subscriptionId picklistIds secretKey
"""
# What the public API has besides (decided 2.8).
PUBLIC = {"customerContact", "shippingMethodName", "excludedShipmentExternalIdProviders"}
OURS = {"orderTypes", "selectedWarehouses"}


class TestOrderSearch:
    @pytest.mark.parametrize("model", [OrderSearch, OrderScroll])
    def test_has_the_documented_members(self, model: type[OrderSearch | OrderScroll]) -> None:
        members = {field.alias for field in model.model_fields.values()}

        documented = DOCUMENTED.split()
        assert len(documented) == 56
        assert members == set(documented) | PUBLIC | OURS

    def test_knows_the_other_names_of_members(self) -> None:
        body = {"SearchQuery": "ola", "modifiedSince": "2026-01-01", "sortOrder": "DocumentId"}

        read = parse(OrderSearch, to_json(body))

        assert read.ignored == []
        assert read.value.search_text == "ola"
        assert read.value.modified_from is not None
        assert read.value.sort_order == "OrderIdAscending"

    @pytest.mark.parametrize(("take", "page"), [(100, 100), (1, 10_000), (None, 500), (None, None)])
    def test_lets_pages_within_the_window_in(self, take: int | None, page: int | None) -> None:
        assert parse(OrderSearch, {"take": take, "page": page}).value.page == page

    @pytest.mark.parametrize(("take", "page"), [(100, 101), (None, 501)])
    def test_lets_no_page_beyond_it_in(self, take: int | None, page: int) -> None:
        with pytest.raises(Invalid) as error:
            parse(OrderSearch, {"take": take, "page": page})

        assert [fault.path for fault in error.value.errors] == ["page"]


class TestOrderScroll:
    @pytest.mark.parametrize(
        ("take", "expected"), [(None, 100), (0, 100), (7, 7), (1000, 100), (-3, 1)]
    )
    def test_holds_at_most_a_hundred_orders_at_a_time(
        self, take: int | None, expected: int
    ) -> None:
        assert parse(OrderScroll, {"take": take, "page": 999}).value.at_a_time == expected
