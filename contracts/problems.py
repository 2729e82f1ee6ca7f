"""Problem details (RFC 9457) with a stable type each: the errors that clients may rely on."""

from typing import Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class FieldProblem(BaseModel):
    """One bad field: where it is, what was expected, what came."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    path: str
    message: str
    got: str | None = None


class Problem(BaseModel):
    """The body of an error answer.

    `type` is the path of a page that explains it, `detail` says what to do next, `errors` names
    every bad field at once. `retry_after` (seconds) also stands in the header of that name.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[FieldProblem, ...] | None = None
    retry_after: int | None = None

    @property
    def slug(self) -> str:
        """The last part of the type, such as `order-locked`."""
        return self.type.rsplit("/", 1)[-1]


PROBLEM_BASE: Final = "/documentation/problems/"

# slug: (status, title, what to do)
CATALOGUE: Final[dict[str, tuple[int, str, str]]] = {
    "validation-failed": (
        400,
        "The request is not valid",
        "Correct the fields that `errors` names and send it again; nothing was stored.",
    ),
    "malformed-json": (
        400,
        "The body is not JSON",
        "Send one JSON document; `errors` says where reading stopped.",
    ),
    "unknown-status": (
        400,
        "The order type has no such status",
        "Use one of the statuses that the order type lists.",
    ),
    "status-not-available": (
        400,
        "The status cannot follow the present one",
        "The present status enforces its AvailableSteps; use one of those.",
    ),
    "step-not-available": (
        400,
        "The step cannot be run by hand",
        "Send one that `errors` names; the setting AvailableManualWorkflowSteps limits them.",
    ),
    "order-queued": (
        400,
        "The order is still queued",
        "Its first run has not ended; wait for it, then repeat the request.",
    ),
    "order-read-only": (
        400,
        "The order is read-only",
        "Set isReadOnly to false before changing anything else.",
    ),
    "order-line-read-only": (
        400,
        "The line is read-only",
        "Set the line's isReadOnly to false before changing it.",
    ),
    "order-line-not-cancellable": (
        400,
        "The line cannot be cancelled",
        "Only units that are neither delivered nor cancelled can be; `errors` says what is left.",
    ),
    "too-many-entries": (
        400,
        "A list would become too long",
        "An order takes 1,000 lines and 250 entries in every other list; take some out first.",
    ),
    "amount-too-large": (
        400,
        "An amount would become too large",
        "Lower the prices, quantities or payments of what `errors` names to 10^15 at most.",
    ),
    "order-not-valid": (
        400,
        "The order validator refuses the change",
        "Correct what it says and send the change again; nothing was stored.",
    ),
    "unknown-comment-template": (
        400,
        "There is no such comment template",
        "Use a templateName of the order settings, or send the text as `comment`.",
    ),
    "address-not-allowed": (
        400,
        "The address is not allowed",
        "Use a public address; the operator allows others by KONTOR_WEBHOOKS_ALLOWED_NETWORKS.",
    ),
    "malformed-request": (
        400,
        "This is no HTTP request",
        "Send HTTP/1.1 as RFC 9112 has it; the connection was closed.",
    ),
    "unauthorized": (
        401,
        "No valid token",
        "Fetch a token from POST /api/token and send it as `Authorization: Bearer …`.",
    ),
    "invalid-credentials": (
        401,
        "Unknown client or wrong secret",
        "Check clientId and clientSecret.",
    ),
    "forbidden": (
        403,
        "This client may not do that",
        "Ask the owner of the API for the role, store or market that it needs.",
    ),
    "not-found": (404, "Nothing has this id", "Check the id; it keeps its upper and lower case."),
    "order-not-found": (404, "No order has this id", "Check the id; ids are case-sensitive."),
    "scroll-not-found": (
        404,
        "The scroll has ended",
        "It waits five minutes for its next call, and belongs to its client; begin again.",
    ),
    "template-not-found": (
        404,
        "No document has this name",
        "Use one of the templates that are named here, or leave templateFile out.",
    ),
    "order-line-not-found": (
        404,
        "The order has no such line",
        "Check the lineItemId; ids are case-sensitive.",
    ),
    "shipment-not-found": (
        404,
        "The order has no such shipment",
        "Use the shipmentId of one of its shipments, or leave it out for the first open one.",
    ),
    "no-such-path": (404, "No such path", "The paths are listed at /documentation."),
    "method-not-allowed": (
        405,
        "The path does not take this method",
        "Use one of the methods in the Allow header.",
    ),
    "request-timeout": (
        408,
        "The request did not come to its end",
        "Send it again, headers and body without long pauses; the connection was closed.",
    ),
    "duplicate-order-id": (
        409,
        "An order with this id exists",
        "Use another id, or PUT /api/Orders to have one generated.",
    ),
    "duplicate-line-item-id": (
        409,
        "A line with this id exists",
        "Use a lineItemId that no line of the order has; a PATCH changes the line that is there.",
    ),
    "order-locked": (
        409,
        "The order is busy",
        "A workflow run or another change holds the order; repeat the request shortly.",
    ),
    "no-run-in-hand": (
        409,
        "No run of the order waits",
        "There is nothing to cancel; GET /api/Orders/{id}/Explain tells where the order is.",
    ),
    "run-cancelled": (
        409,
        "The change was cancelled while it waited",
        "Nothing was stored; send the change again if it is still wanted.",
    ),
    "quick-process-not-configured": (
        409,
        "There is no status for the quick process",
        "Set defaultQuickProcessOrderStatus in Settings/OrderSettings.",
    ),
    "version-conflict": (
        409,
        "The order changed meanwhile",
        "Read it again and repeat the change.",
    ),
    "request-under-way": (
        409,
        "The first request with this Idempotency-Key is under way",
        "Repeat the request shortly; it gets the answer of the first one.",
    ),
    "duplicate-client-id": (
        409,
        "A client with this id exists",
        "Use another clientId, or leave it out to have one generated.",
    ),
    "batch-incomplete": (
        409,
        "Not everything was done",
        "`errors` names what was not, by its place in the request; repeat that alone.",
    ),
    "number-not-valid": (
        409,
        "The generated number is not valid",
        "Correct the prefix, suffix or validationRegex in Settings/NumberOptions.",
    ),
    "client-needed": (
        409,
        "The client is needed",
        "Nobody takes the access from oneself, or from the last active ApiOwner.",
    ),
    "endpoint-disabled": (
        409,
        "The endpoint is disabled",
        "Nothing is sent to it; enable it with POST /api/Webhooks/Endpoints/{id}/Enable.",
    ),
    "delivery-under-way": (
        409,
        "The delivery is under way",
        "It waits for its turn or its next attempt; look at it again later.",
    ),
    "event-not-kept": (
        404,
        "The event is kept no more",
        "The history of its order has expired, or the order was deleted for good.",
    ),
    "precondition-failed": (
        412,
        "It is not what you have read",
        "Somebody changed it meanwhile; read it again and repeat the change with its new ETag.",
    ),
    "too-large": (413, "The body is too large", "Send less in one request."),
    "unsupported-media-type": (
        415,
        "The body is not declared as JSON",
        "Send `Content-Type: application/json`.",
    ),
    "idempotency-key-reused": (
        422,
        "The Idempotency-Key belongs to another request",
        "Use a fresh key for a different request.",
    ),
    "too-many-requests": (429, "Too many requests", "Wait for the seconds in Retry-After."),
    "headers-too-large": (
        431,
        "The headers are too large",
        "Send less than 64 KiB of them; the connection was closed.",
    ),
    "command-failed": (
        500,
        "The command failed",
        "It was set aside as a dead letter; an operator can look at it and redrive it.",
    ),
    "internal-error": (500, "Something went wrong here", "Repeat the request; tell the operator."),
    "validator-unavailable": (
        502,
        "The order validator gave no answer to go by",
        "Nothing was stored; repeat the request shortly, or see to the validator.",
    ),
    "unavailable": (
        503,
        "Kafka or MongoDB cannot be reached",
        "Nothing was stored; repeat the request shortly.",
    ),
}


def problem(
    slug: str,
    detail: str | None = None,
    *,
    errors: tuple[FieldProblem, ...] | None = None,
    retry_after: int | None = None,
) -> Problem:
    """Return the catalogue's problem of this name, with a more precise `detail` if one is given.

    :raises KeyError: if the catalogue has no such problem
    """
    status, title, advice = CATALOGUE[slug]
    return Problem(
        type=PROBLEM_BASE + slug,
        title=title,
        status=status,
        detail=detail or advice,
        errors=errors,
        retry_after=retry_after,
    )
