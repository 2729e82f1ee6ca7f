"""What the documents leave open, and what Kontor does: one table of the description of the API.

The numbers are those of domain section 3; `d` before one means `decided.md`.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple


class OpenPoint(NamedTuple):
    """One matter on which the documents are silent, or do not agree."""

    number: str
    segments: Sequence[str]
    """Whose descriptions name it; none: all of them."""
    subject: str
    answer: str


TITLE: Final = "What the documents leave open, and what Kontor does"

_ORDERS: Final = ("orders",)
_SETTINGS: Final = ("settings",)
_CLIENTS: Final = ("clients",)

OPEN_POINTS: Final = (
    # Requests and answers as such.
    OpenPoint(
        "5",
        (),
        "What 409 means",
        "Both what exists already and what is busy; `type` tells them apart: `duplicate-order-id`, "
        "`order-locked`, `version-conflict`. What passes by itself carries `Retry-After`.",
    ),
    OpenPoint(
        "40",
        (),
        "How a token is asked for",
        "`POST /api/token` with the query, a form, JSON or HTTP Basic; plain text for the query, "
        "JSON with `returnAsJson=true`, for a form, and for a `grant_type`. The query string is "
        "in no log.",
    ),
    OpenPoint(
        "41",
        (),
        "403, which no table of the documents has",
        "403 names the missing role; what is outside the client's stores and markets is 404 when "
        "it is read or changed, and 403 when it would be created or moved there.",
    ),
    OpenPoint(
        "53",
        (),
        "Numbers",
        "JSON numbers in answers (but for the charges of return types in the settings, which are "
        "texts as in the guide); a text that is one is accepted too. Prices keep up to 6 decimals "
        "as they were sent; more, NaN, Infinity and what is beyond 10^15, also when it is "
        "calculated, are 400. Readers make doubles of them, so 15 digits are exact.",
    ),
    OpenPoint(
        "54",
        (),
        "Dates",
        "Any ISO 8601 form is accepted, without an offset it is UTC; answers are UTC with `Z`, to "
        "the millisecond. `0001-01-01T00:00:00` means unset, and what is unset is left out.",
    ),
    OpenPoint(
        "d 2.1",
        (),
        "The status of a bad request",
        "400 naming every bad field at once, and nothing is stored; 422 only for an "
        "`Idempotency-Key` that came with another request, 412 for `If-Match`, 413 for a body "
        "that is too large, 415 for one that is not declared as JSON.",
    ),
    OpenPoint(
        "d 2.7",
        (),
        "Texts and names",
        "Texts have up to 32,768 characters, keys of properties up to 256, with dots and dollars "
        "as well; NUL and lone surrogates are 400.",
    ),
    OpenPoint(
        "d 2.8",
        (),
        "Members that no model knows",
        "Ignored, and named in the header `Ignored-Fields` (the first 50); the setting "
        "`rejectUnknownFields` makes them 400. The log of the order keeps them.",
    ),
    OpenPoint(
        "d 10.1",
        (),
        "Repeating a request",
        "With an `Idempotency-Key` (1 to 255 printable characters, kept 7 days) it takes effect "
        "once; the first answer is given again with `Idempotency-Replayed: true`. The secret of a "
        "client is in the first answer alone. Exports hand the key on to the connector, and are "
        "made again; searches, counts and proofs change nothing and take none.",
    ),
    OpenPoint(
        "d 10.2",
        (),
        "Answers that take long",
        "After 10 seconds, or at once with `Prefer: respond-async`, 202; `Location` names the "
        "operation that will have the answer.",
    ),
    OpenPoint(
        "d 13.1",
        (),
        "What comes first",
        "The token before the role, the role before the body: who may not ask is not told what is "
        "wrong with the question.",
    ),
    OpenPoint(
        "d 13.2",
        (),
        "How much at once",
        "20 requests of a client and 40 of all clients at a time, 4 batches of a client, 12,000 in "
        "a burst and 1,000 more every 10 seconds, unless the operator says otherwise; what goes "
        "beyond is refused with 429 at once.",
    ),
    # Orders.
    OpenPoint(
        "1",
        _ORDERS,
        "The wrapper of a search",
        "Both: `items` and `result` are the same list, `totalCount` and `totalHits` the same "
        "number; the setting `searchWrapper` (both, reference, guide) leaves one of them out.",
    ),
    OpenPoint(
        "2",
        _ORDERS,
        "The number of the first page",
        "1 for orders; in a search 0 and none mean it too, and the setting `searchPageBase` (0 or "
        "1) changes it. The page is echoed.",
    ),
    OpenPoint(
        "3",
        _ORDERS,
        "How far pages go",
        "take * page up to 10,000, take and pageSize 1 to 100, page from 1 (in a search from 0); "
        "else 400.",
    ),
    OpenPoint(
        "4",
        _ORDERS,
        "Scrolls",
        "A snapshot: changes after the first call are not seen. take is 1 to 100, absent and 0 "
        "mean 100; it ends with an empty list, or after five minutes without a call (404), and "
        "belongs to its client. Ten may be open for a client; more are 429.",
    ),
    OpenPoint(
        "6",
        _ORDERS,
        "What creating answers",
        "The codes and bodies of the order reference: 201 with the stored order once its first run "
        "has ended, 204 for batches. Writing to an order whose first run is under way is 400.",
    ),
    OpenPoint(
        "7",
        (*_ORDERS, "inventory"),
        "POST or PUT for UpdateMany",
        "Both, with the same effect, for orders and for stock.",
    ),
    OpenPoint(
        "8",
        _ORDERS,
        "POST and PUT Update",
        "POST merges: what is absent stays, objects merge, lists are replaced, null clears. PUT "
        "replaces the order but for what only the system writes, and runs no workflow.",
    ),
    OpenPoint(
        "9",
        _ORDERS,
        "The result of an update",
        "The members of both documents; `isSuccessful` means neither aborted nor a step in Error.",
    ),
    OpenPoint(
        "10",
        _ORDERS,
        "The result of a patch",
        "`isSuccessful` and `order` of the reference beside the counters of the public API; an "
        "unknown order is 404.",
    ),
    OpenPoint(
        "11",
        _ORDERS,
        "A status in a patch",
        "It is stored and its event leaves; no workflow runs.",
    ),
    OpenPoint(
        "12",
        _ORDERS,
        "keepExistingListItems",
        "Absent means true: entries are matched by their keys (external ids by provider, payments, "
        "shipments, lines and returns by their ids, plain texts by themselves), the others stay. "
        "An entry without its key is added, so a payment without an id once more at every repeat: "
        "send an id, or an Idempotency-Key. "
        "false replaces lists, properties aside; an absent list never changes.",
    ),
    OpenPoint(
        "13",
        _ORDERS,
        "forceUpdate",
        "Names in any case, dotted where nested, are cleared before the rest of the patch: lists "
        "are emptied, the rest becomes null. Unknown, required and calculated names are 400.",
    ),
    OpenPoint(
        "14",
        _ORDERS,
        "propertiesRemovalConditions",
        "Before the rest of the patch, what matches all given of key, value, keyGroup and "
        "valueType goes; a condition without any matches nothing.",
    ),
    OpenPoint(
        "15",
        _ORDERS,
        "The body of ByIds",
        "`items` and `orders` are the same list; `missingIds` names the rest.",
    ),
    OpenPoint(
        "16",
        _ORDERS,
        "Secret keys without a token",
        "Refused with 401 until the setting `allowSecretKeyAccess` is on, then strictly limited. "
        "With a token the order must be in its scope. A key that opens nothing is 404.",
    ),
    OpenPoint(
        "17",
        _ORDERS,
        "storeId of GetOrders",
        "May be left out, unless the setting `strictSeed` is on. `status` and the whole search "
        "body are accepted for a customer's orders, `searchQuery` means `searchText`.",
    ),
    OpenPoint(
        "18",
        _ORDERS,
        "The body of a version",
        "The version's own members beside the order, which is both `value` and `order`.",
    ),
    OpenPoint(
        "19",
        _ORDERS,
        "Cancelling lines of many orders",
        "`lineItemId`, `lineItemIds` or both; the answer is the number of lines that were "
        "cancelled. What cannot be cancelled is left out; more than 100 orders are 400.",
    ),
    OpenPoint(
        "22",
        _ORDERS,
        "The text of a comment",
        "`comment` or `commentText`; commentType is Public if it is absent.",
    ),
    OpenPoint(
        "23",
        _ORDERS,
        "The path of PDFs",
        "GetOrderAsPdf and GetAsPdf are the same; without templateFile it is the receipt.",
    ),
    OpenPoint(
        "24",
        _ORDERS,
        "What ExportOrders does",
        "With orderIds it exports to a connector and answers with the results; otherwise it "
        "answers with a file: format json (lines), csv or xlsx.",
    ),
    OpenPoint(
        "25",
        _ORDERS,
        "Deleted orders",
        "The status becomes Deleted: hidden from lists and searches that do not ask for it, still "
        "answered by id, restored by another status. Permanently deleted ones are gone with their "
        "versions and events, and their ids are free. The status gives the stock back in whatever "
        "way it is entered, and leaves the money where it is.",
    ),
    OpenPoint(
        "30",
        _ORDERS,
        "Totals",
        "Calculated, also where the samples of the documents show 0; imported orders keep those "
        "that they come with, unless isOrderCalculatorRunOnImport is on. So are completed, "
        "readyForPickup, customerPickupDeadline and isNewCustomer, which an import keeps as well.",
    ),
    OpenPoint(
        "31",
        _ORDERS,
        "What a percentage off the order is of",
        "Of the prices before line discounts; the setting `isOrderPercentageOfDiscountedPrices` "
        "takes those after them.",
    ),
    OpenPoint(
        "32",
        _ORDERS,
        "discountAmount of the form",
        "Discounts on the order alone; those of a line are its `discounted`.",
    ),
    OpenPoint(
        "34",
        _ORDERS,
        "isReadOnly",
        "Every write to the order is 400 but comments, deleting, and a patch that frees it; for a "
        "line the same of that line.",
    ),
    OpenPoint(
        "35",
        _ORDERS,
        "Names in shipmentInfo",
        "Those of the workflow document (shipmentMethodName, trackingUrl, trackingNumber, "
        "labelLink); the shipment has and shows them under its own. External ids and properties "
        "are added or changed, packages replaced; what is absent or null stays.",
    ),
    OpenPoint(
        "38",
        _ORDERS,
        "status beside shipmentInfo",
        "The shipment alone enters shipmentInfo's orderStatus, or else status, and that one's "
        "workflow runs for it: its goods, its total, its date. The first shipment is meant where "
        "none is named, and an unknown one is 404: a new one would have no lines. The order "
        "follows, without another run, when all its shipments are in one status.",
    ),
    OpenPoint(
        "42",
        _ORDERS,
        "The role of a till",
        "`PosWriter`; OrderAdmin and ApiOwner include it.",
    ),
    OpenPoint(
        "45",
        _ORDERS,
        "Names of deltas",
        "`modifiedSince` means `changedSince` in lists and `modifiedFrom` in searches; bounds are "
        "inclusive.",
    ),
    OpenPoint(
        "47",
        _ORDERS,
        "What an order must have",
        "id for POST alone (PUT takes the number, the till the receipt's), marketId and storeId "
        "always; without orderType it is the default type, without status that type's first. Blank "
        "ones count as left out.",
    ),
    OpenPoint(
        "48",
        _ORDERS,
        "Lines of the form and of shipments",
        "Those of the form count; those of a shipment refer to them by lineItemId and are answered "
        "in full. Lines that only a shipment has are added to the form; without any shipment there "
        "is one, and one without shipmentId gets the next free number.",
    ),
    OpenPoint(
        "49",
        _ORDERS,
        "The size of a batch",
        "1,000 entries; more are 400.",
    ),
    OpenPoint(
        "50",
        _ORDERS,
        "The size of a list",
        "1,000 lines, 250 entries of anything else; more are 400 naming the list.",
    ),
    OpenPoint(
        "51",
        _ORDERS,
        "Rounding",
        "Half away from zero, to the decimals of the currency (ISO 4217); what is divided adds up, "
        "the rest goes to the largest line.",
    ),
    OpenPoint(
        "d 1.5",
        _ORDERS,
        "Unknown markets, stores and statuses",
        "Markets and stores are accepted with a warning, unless the setting `strictReferences` "
        "makes them 400; at the till they always are. A new order with a status that its type "
        "does not have is stored with a warning and runs no workflow.",
    ),
    OpenPoint(
        "d 2.3",
        _ORDERS,
        "Ids and numbers of orders",
        "1 to 128 printable characters without / \\ ? # %, and no word of a path of this API. The "
        "id of a deleted order is taken until it is deleted permanently.",
    ),
    OpenPoint(
        "d 2.4",
        _ORDERS,
        "Batches of which a part fails",
        "They are validated whole first. What cannot be done now stops nothing else: the answer is "
        "409 `batch-incomplete`, `errors` names what was not done.",
    ),
    OpenPoint(
        "d 2.5",
        _ORDERS,
        "Batches with ids that are taken",
        "Such orders stay as they are; the header `Existing-Orders` names their places, and their "
        "logs say so.",
    ),
    OpenPoint(
        "d 3.5",
        _ORDERS,
        "What a patch of lines counts",
        "Lines: unknown ones are `notFoundCount`, and 404 if all are. New ids of lines are given "
        "all at once, so they can be swapped; ids that would then be there twice are 400.",
    ),
    OpenPoint(
        "d 3.6",
        _ORDERS,
        "The shipment of a new line",
        "The one named by shipmentId (404 if there is none), else the first that is open.",
    ),
    OpenPoint(
        "d 8.4",
        _ORDERS,
        "returnQuantity of a line",
        "At most what was delivered or, where no delivery is tracked, what is open; more is 400.",
    ),
    OpenPoint(
        "d 5.6",
        _ORDERS,
        "The event log",
        "`GET Orders/{id}/Events`: events have a sequence without a gap; with `log=true` the "
        "answer has the entries that have none, too: workflow runs, exports, what was ignored.",
    ),
    OpenPoint(
        "d 5.7",
        (*_ORDERS, *_SETTINGS),
        "Steps that are run by hand, and the quick process",
        "`POST Orders/{orderId}/RunWorkflowStep` {name, properties, userId} runs one step in the "
        "status that the order has and keeps, for the whole order. What "
        "`availableManualWorkflowSteps` names may be run, as it is configured there, with what is "
        "sent before its own properties; if it names none, every step but ChangeStatus may. What "
        "is unknown, not built, not active, a group, or not in the order's scope is 400. "
        "`POST Orders/{orderId}/QuickProcess` is UpdateStatus with the status that "
        "`defaultQuickProcessOrderStatus` names. Without that setting it is 409 "
        "`quick-process-not-configured`; where the order's type has no such status, 400 "
        "`unknown-status`.",
    ),
    OpenPoint(
        "d 5.8",
        _ORDERS,
        "What cancelling a run leaves",
        "`POST Orders/{orderId}/CancelRun` ends a run that waits as a deadline that passes does: "
        "reservations and holds are given back, other changes stay; a first run leaves the order "
        "in its initial status. `errors` says who cancelled it. Without a run that waits it is 409 "
        "`no-run-in-hand`. A read-only order is let go, too. A change that waits for the order "
        "validator is not made: its client gets 409 `run-cancelled`.",
    ),
    # The rest.
    OpenPoint(
        "26",
        _SETTINGS,
        "deleteOrdersThreshold",
        "2 to 100 are years, 730 and more are days; anything else is 400.",
    ),
    OpenPoint(
        "46",
        (*_ORDERS, *_SETTINGS),
        "Members of a property",
        "`key` and `value`; in settings `name` means `key`, as in the guide's samples.",
    ),
    OpenPoint(
        "d 1.2",
        _SETTINGS,
        "Bodies of settings",
        "The bare document or the guide's wrapper; PUT replaces it whole and honours `If-Match`.",
    ),
    OpenPoint(
        "52",
        _ORDERS,
        "Which changes an order validator sees",
        "With `isOrderValidationEnabled` every change of an order through the API, not its "
        "creation, import or deletion, nor a step that is run by hand. The order that the change "
        "would make is POSTed to the connector webhookOrderValidator, and its answer is stored "
        "instead; meanwhile the order is `order-locked`. A 4xx that is about the order is 400 "
        "`order-not-valid`, everything else 502 `validator-unavailable`, and nothing is stored.",
    ),
    OpenPoint(
        "d 1.4",
        _SETTINGS,
        "References between settings",
        "What is wrong within a document is 400. What names something that does not exist yet is "
        "stored, and listed in `warnings`.",
    ),
    OpenPoint(
        "d 1.3",
        _SETTINGS,
        "Settings that are accepted and kept, and that nothing acts on yet",
        "Of statistics `useStatsOrderQueues`, `shippingProfitPercent`, "
        "`includedOrderTypesForRevenueStats`, `includedOrderStatusesForRevenueStats`; of statuses "
        "`isInProgressStatus`; of pick lists `isLockShipmentsOnPickList`; of payment options "
        "`creditPriority`; of connectors `isAuthenticatedManually`, `disableStandardErrorPolicy`; "
        "of returns, replacements and subscriptions "
        "`returnSettings`, `replacementSettings`, `defaultReplacementOrderType`, "
        "`subscriptionSettings`; of gift cards `giftCardSku`, `giftCardCompletedStatus`, "
        "`giftCardValidMonths`, `giftCardTemplate`; of customers "
        "`shouldOrderStoreIdBeSavedOnCustomer`, `shouldOrderMarketIdBeSavedOnCustomer`, "
        "`shouldOrderExternalIdsBeSavedOnCustomer`, `shouldCustomerExternalIdsBeSavedOnOrder`, "
        "`shouldOrderPropertiesBeSavedOnCustomer`, `shouldCustomerPropertiesBeSavedOnOrder`; of "
        "products `enrichDefaultPropertiesFromProduct`, `propertiesToEnrichOrderLineFromProduct`, "
        "`propertiesToExcludeFromConfigurableProduct`, "
        "`propertiesToEnrichOrderLineFromPriceList`; of origins and carts `defaultOrigin`, "
        "`defaultOmsCartOrigin`, `enableCreateFromCart`; `omneo`, `isOrderValidationOnOpenEnabled` "
        "and `inventoryChangeThreshold`. What is for screens and printouts is kept for them.",
    ),
    OpenPoint(
        "d 1.7",
        _SETTINGS,
        "Which scheduled tasks run",
        "OrderAutomation, and TryReserveOrderLines every minute unless its `intervalSeconds` says "
        "otherwise: lines that a reservation has left short are reserved as goods come in, for "
        "those who have waited longest first, until the order is cancelled or delivered or gives "
        "its goods back. DeleteOldOrders every hour where `deleteOrdersThreshold` is set: orders "
        "created before that are deleted for good, a thousand a run, hidden ones too. Others are "
        "accepted and kept, and nothing runs them.",
    ),
    OpenPoint(
        "43",
        _CLIENTS,
        "Deactivated clients",
        "Their tokens are refused within five seconds.",
    ),
    OpenPoint(
        "d 13.3",
        _CLIENTS,
        "Which roles a client may give",
        "Those that it holds itself, and its own scope at most. Nobody deactivates oneself or the "
        "last active ApiOwner.",
    ),
    OpenPoint(
        "d 13.4",
        _CLIENTS,
        "Stores and markets of a client",
        "`stores` and `markets` mean the same as the roles `store-x` and `market-y`, in any case; "
        "AllStores and AllMarkets lift them, a client with neither sees no order.",
    ),
)


def open_points(segment: str | None) -> list[OpenPoint]:
    """Return those that concern a segment; None: all of them."""
    return [
        one for one in OPEN_POINTS if segment is None or not one.segments or segment in one.segments
    ]


def in_markdown(points: Iterable[OpenPoint]) -> str:
    """Return them as a table."""
    rows = (f"| {one.number} | {one.subject} | {one.answer} |" for one in points)
    return "\n".join(
        (f"## {TITLE}", "", "| No. | Subject | What Kontor does |", "|---|---|---|", *rows, "")
    )
