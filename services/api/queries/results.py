"""What became of a command: read from what the services keep, for repeats and for operations."""

from typing import Any, Final
from uuid import UUID

import zstandard
from pydantic_core import from_json, to_json

from contracts.messages.replies import shaped
from contracts.problems import CATALOGUE, problem
from services.api.domain import Result
from services.chassis.mongo import Bson, Database

_BEGUN: Final = 202
_OK: Final = 200
_REFUSED: Final = 400
_decompressor = zstandard.ZstdDecompressor()


class Results:
    """Finds the state of any command (decided 10.2)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, command: UUID, *, service: str, order_id: str | None) -> Result | None:
        """Return what became of the command; None while that is still open.

        :param service: whose command it is
        """
        mark = await self._database[f"{service}_inbox"].find_one({"_id": command})
        outcome = (mark or {}).get("o")
        if mark is None or outcome is None:
            return None
        at = mark["at"]
        order_id = outcome.get("o") or order_id
        if outcome["s"] >= _REFUSED:
            slug = outcome.get("p")
            why = problem(slug if slug in CATALOGUE else "command-failed")
            return Result(outcome["s"], problem=why, order_id=order_id, completed=at)
        if order_id is None:
            return Result(outcome["s"], completed=at)
        if outcome["s"] == _BEGUN:
            return await self._of_run(command, order_id)
        found = Result(
            outcome["s"],
            order_id=order_id,
            version=outcome.get("v"),
            completed=at,
            shape=outcome.get("a"),
        )
        return await self.filled(found)

    async def filled(self, result: Result) -> Result:
        """Return the result with its body, read from the order's history where it has none."""
        if result.body is not None or result.problem is not None or result.version is None:
            return result
        found = await self._database["order_versions"].find_one(
            {"_id": f"{result.order_id}/{result.version:010d}"}
        )
        return result if found is None else _of_version(found, result.status, result.shape)

    async def _of_run(self, command: UUID, order_id: str) -> Result | None:
        # The order first: a run that ends in between is then found among the versions.
        order = await self._database["orders"].find_one(
            {"_id": order_id}, {"run.commandId": 1, "run.replyTo": 1}
        )
        if order is not None and order.get("run", {}).get("commandId") == str(command):
            return None
        # Versions of an order are neighbours: "/" comes right before "0".
        found = await self._database["order_versions"].find_one(
            {"_id": {"$gt": f"{order_id}/", "$lt": f"{order_id}0"}, "commandId": str(command)},
            sort=[("_id", -1)],
        )
        return None if found is None else _of_version(found, found["statusCode"])


def _of_version(found: Bson, status: int, shape: str | None = None) -> Result:
    order: bytes = _decompressor.decompress(found["order"])
    if shape is not None:
        body = shaped(shape, order)
    else:
        body = _execution(order, found) if status == _OK else order
    return Result(
        status=status,
        body=body,
        order_id=found["orderId"],
        version=found["version"],
        completed=found["at"],
    )


def _execution(order: bytes, found: Bson) -> bytes:
    """Return the union of the documents' two execution results (domain 3 no. 9)."""
    results: list[dict[str, Any]] = found.get("results", [])  # Any: action results as JSON
    aborted = bool(found.get("isAborted"))
    failed = any(one.get("actionStatus") == "Error" for one in results)
    rest = {
        "isAborted": aborted,
        "orderActionExecutionResults": results,
        "workflowExecutionResult": {
            "isSuccessful": not aborted and not failed,
            "executedSteps": [one.get("actionType") for one in results],
        },
    }
    return b'{"order":' + order + b"," + to_json(rest)[1:]


def answer_of(result: Result) -> object:
    """Return the body of a success as a JSON value; None where there is none."""
    return None if result.body is None else from_json(result.body)
