"""The answer to a command, on its way to the api process that waits for it."""

from collections.abc import Mapping
from typing import ClassVar, Final

from pydantic_core import to_json

from contracts.message import Message
from contracts.problems import Problem

REPLIES = "replies"

ORDER: Final = "order"
"""The shape of an answer that is the order."""
UNRUN: Final = "unrun"
"""That of a workflow execution result without steps."""
EMPTY: Final = "empty"
"""That of an answer without a body."""


class Reply(Message):
    """What became of a command.

    `status_code` is the HTTP status of the answer. The body of a success follows as `body` where it
    fits at once; a repeated answer has none, and the reader fetches `version` of the order instead
    and gives it the `shape` (see `shaped`; None: as the history of the order says).
    """

    type: ClassVar[str] = "reply"
    topic: ClassVar[str] = REPLIES

    command_id: str
    status_code: int
    shape: str | None = None
    problem: Problem | None = None
    order_id: str | None = None
    version: int | None = None

    @property
    def key(self) -> str:
        """The command that is answered."""
        return self.command_id

    def with_body(self, body: bytes) -> bytes:
        """Return the JSON of this reply with `body`, which is JSON already, as a member."""
        return self.data()[:-1] + b',"body":' + body + b"}"


def counted(*, total: int, updated: int, not_found: int = 0) -> str:
    """Return the shape of an update result, with how many entries were asked for and changed."""
    return f"updated {total} {updated} {not_found}"


def renamed(  # noqa: PLR0913 - the answer has this many figures
    *,
    total: int,
    updated: int,
    not_found: int,
    form_lines: int,
    shipment_lines: int,
    return_lines: int,
) -> str:
    """Return the shape of the answer to PatchLineItemIds (OmniumPatchLineItemIdsResult)."""
    return f"renamed {total} {updated} {not_found} {form_lines} {shipment_lines} {return_lines}"


def number(value: int) -> str:
    """Return the shape of an answer that is a bare number."""
    return f"number {value}"


def partly(left_out: Mapping[int, str]) -> str:
    """Return the shape of an answer for many orders: what was left out, by its place, and why.

    Why is the slug of a problem.
    """
    return " ".join(["partly", *(f"{place}={slug}" for place, slug in left_out.items())])


def left_out(shape: str | None) -> dict[int, str]:
    """Read what `partly` wrote; of every other shape nothing."""
    name, *entries = (shape or "").split(" ")
    if name != "partly":
        return {}
    return {int(place): slug for place, _, slug in (entry.partition("=") for entry in entries)}


def shaped(shape: str, order: bytes) -> bytes:
    """Return the body of an answer: what is said besides, around the order where it is told.

    Update results are the union of the reference and the public API (domain 3 no. 10).
    """
    name, *figures = shape.split(" ")
    match name:
        case "empty":
            return b""
        case "number":
            return figures[0].encode()
        case "unrun":
            return b'{"order":%s,%s' % (order, to_json(_UNRUN)[1:])
        case "updated":
            total, updated, not_found = map(int, figures)
            said = {
                "isSuccessful": True,
                "isModified": updated > 0,
                "totalCount": total,
                "updatedCount": updated,
                "unchangedCount": total - updated - not_found,
                "notFoundCount": not_found,
                "errorCount": 0,
                "errorMessage": None,
            }
            return b'{"order":%s,%s' % (order, to_json(said)[1:])
        case "renamed":
            return _line_ids(*map(int, figures))
        case _:
            return order


def _line_ids(  # noqa: PLR0913, PLR0917 - as `renamed` wrote them
    total: int, updated: int, not_found: int, form: int, shipments: int, returns: int
) -> bytes:
    return to_json(
        {
            "isModified": updated > 0,
            "totalRequested": total,
            "updatedCount": updated,
            "notFoundCount": not_found,
            "errorMessage": f"{not_found} of the lines are not on the order" if not_found else None,
            "details": {
                "orderFormLineItemsUpdated": form,
                "shipmentLineItemsUpdated": shipments,
                "returnOrderFormLineItemsUpdated": returns,
            },
        }
    )


_UNRUN: Final = {
    "isAborted": False,
    "orderActionExecutionResults": [],
    "workflowExecutionResult": {"isSuccessful": True, "executedSteps": []},
}
