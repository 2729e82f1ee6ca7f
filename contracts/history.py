"""How the history of an order is kept: what who writes `order_versions` and who reads it agree on.

A version is its event as it left the house, the whole order in it, compressed by zstd against a
dictionary of plain text that both sides know: SAMPLE, and behind it, where the version names a
`base`, the order of that version. So most versions cost what has changed
(services/decisions/0007-versions-are-differences.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard

# What a version is to the driver: names and whatever BSON can hold.
Kept = dict[str, Any]

SPAN: Final = 10
"""Version 1 is whole, and so is every tenth after it: no reader needs more than ten for one."""


def first_of_span(version: int) -> int:
    """Return the version, at or before this one, that is whole whatever happened."""
    return version - (version - 1) % SPAN


def version_key(order_id: str, version: int) -> str:
    """Return the id of a version: versions of an order are neighbours and sort by number."""
    return f"{order_id}/{version:010d}"


IGNORED: Final = (900008, "Information")
"""operationId and category of the log entry about what nobody knows (decided 2.8, 11.4)."""
_SHOWN: Final = 50


def ignored_sentence(paths: Sequence[str]) -> str:
    """Return what the log says of members that nobody knows, the first fifty by name."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"No member of this name is known, so it was ignored: {', '.join(paths[:_SHOWN])}{more}"


# An event of an ordinary order, most of its values left out. What is stored was made with exactly
# these bytes and can be read with them alone: another sample would be another constant.
SAMPLE: Final = (
    b'{"id":"-4-","orderId":"","sequence":1,"operationId":310100,"category":"Updated",'
    b'"timestamp":"2026-11-21T12:00:00.0","message":"The order was updated","className":"Order",'
    b'"subClassName":"Online","objectId":"","objectNumber":"","market":"NOR","storeId":"WebShop",'
    b'"user":"shop","userId":"shop","status":"New","previousStatus":"InProgress",'
    b'"isError":false,"isRead":false,"origin":"PATCH /api/Orders/{orderId}/PatchOrder","tags":[],'
    b'"externalIds":[],"properties":[],"changes":[{"path":"","from":"","to":""}],"warehouses":["'
    b'"],"order":{"id":"","orderNumber":"","marketId":"NOR","storeId":"WebShop",'
    b'"status":"InProgress","orderType":"Online","customerId":"","customerNumber":"",'
    b'"customerName":"","customerPhone":"+47","customerEmail":"","customerType":"B2C",'
    b'"billingCurrency":"NOK","billingAddress":{"name":"","line1":"","city":"","postalCode":"",'
    b'"countryCode":"NO"},"orderForm":{"lineItems":[{"lineItemId":"1","code":"","displayName":"",'
    b'"placedPrice":100.0,"placedPriceExclTax":80.0,"discountedPrice":100.0,'
    b'"discountedPriceExclTax":80.0,"extendedPrice":100.0,"extendedPriceExclTax":80.0,'
    b'"orderDiscountAmount":0.0,"taxRate":25.0,"taxTotal":20.0,"costTotal":0.0,"quantity":1.0,'
    b'"deliveredQuantity":0.0,"reservedInventoryQuantity":1.0,"discounted":0.0,'
    b'"discountedExclTax":0.0}],"shipments":[{"shipmentId":"1","shippingMethodName":"",'
    b'"status":"AwaitingInventory","orderStatus":"New","warehouseCode":"","lineItems":['
    b'{"lineItemId":"1","code":"","displayName":"","placedPrice":0.0}],"address":{"name":"",'
    b'"line1":""},"shippingSubTotalExclTax":0.0,"shippingDiscountAmount":0.0,"shippingTax":0.0,'
    b'"shippingTotal":0.0,"subTotal":0.0,"taxTotal":0.0,"total":0.0}],"payments":[{"amount":0.0,'
    b'"paymentMethodName":"","transactionId":"","transactionType":"Authorization",'
    b'"status":"Processed","id":""}],"subTotal":0.0,"subTotalExclTax":0.0,"total":0.0,'
    b'"totalExclTax":0.0,"taxTotal":0.0,"discountAmount":0.0,"shippingSubTotal":0.0,'
    b'"shippingSubTotalExclTax":0.0,"shippingDiscountTotal":0.0,"shippingTotal":0.0,'
    b'"shippingCreditedTotal":0.0,"authorizedPaymentTotal":0.0,"capturedPaymentTotal":0.0,'
    b'"creditPaymentTotal":0.0},"created":"2026-","modified":"2026-","remainingPayment":0.0,'
    b'"lineItemsCost":0.0,"netTotal":0.0,"netTotalExclTax":0.0,"version":1,"versionId":"1-",'
    b'"modifiedBy":""}}'
)


def _decompressor(plain: bytes) -> zstandard.ZstdDecompressor:
    dictionary = zstandard.ZstdCompressionDict(plain, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=dictionary)


_whole: Final = _decompressor(SAMPLE)


@dataclass(frozen=True, slots=True)
class Version:
    """One version: the event by which the world heard of it, as it left, and what is kept beside.

    `kept` is the document of the workflow service, `event` its JSON.
    """

    kept: Kept
    event: bytes

    @property
    def number(self) -> int:
        """The sequence number of the event."""
        number: int = self.kept["version"]
        return number

    @property
    def order(self) -> bytes:
        """The order after it, as JSON."""
        return self.event[self.kept["orderAt"] : -1]


def unpacked(kept: Kept, before: Version | None) -> Version | None:
    """Return the version; None if it is a difference to one that is not there any more.

    :param before: the version before of that order, where it is at hand
    """
    base = kept.get("base")
    if base is None:
        return Version(kept, _whole.decompress(kept["event"]))
    if before is None or before.number != base:
        return None
    return Version(kept, _decompressor(SAMPLE + before.order).decompress(kept["event"]))
