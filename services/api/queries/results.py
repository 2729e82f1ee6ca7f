"""What became of a command: read from what the services keep, for repeats and for operations."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json, to_json

from contracts.history import Version
from contracts.messages.replies import shaped
from contracts.problems import CATALOGUE, problem
from services.api.domain import Result
from services.api.queries.versions import version
from services.chassis.mongo import Bson, Database

_BEGUN: Final = 202
_OK: Final = 200
_REFUSED: Final = 400


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
            return await self._of_run(command, order_id, outcome.get("a"))
        found = Result(
            outcome["s"],
            order_id=order_id,
            version=outcome.get("v"),
            completed=at,
            shape=outcome.get("a"),
        )
        return await self.filled(found)

    async def find_many(self, commands: Sequence[UUID], *, service: str) -> dict[UUID, Result]:
        """Return what became of these commands, without bodies; those still open are left out."""
        marks = self._database[f"{service}_inbox"].find({"_id": {"$in": list(commands)}})
        found = {mark["_id"]: mark for mark in await marks.to_list(None) if "o" in mark}
        begun = [mark["o"]["o"] for mark in found.values() if mark["o"]["s"] == _BEGUN]
        running = await self._running(begun) if begun else frozenset()
        return {id_: _of_mark(mark) for id_, mark in found.items() if str(id_) not in running}

    async def _running(self, order_ids: Sequence[str]) -> frozenset[str]:
        """Return the commands whose runs these orders are waiting for."""
        orders = self._database["orders"].find(
            {"_id": {"$in": list(order_ids)}, "run": {"$exists": True}}, {"run.commandId": 1}
        )
        return frozenset([order["run"]["commandId"] for order in await orders.to_list(None)])

    async def filled(self, result: Result) -> Result:
        """Return the result with its body, read from the order's history where it has none."""
        if result.body is not None or result.problem is not None:
            return result
        if result.version is None or result.order_id is None:
            return result
        found = await version(self._database, result.order_id, result.version)
        if found is None:
            return await self._of_erased(result.order_id) or result
        return _of_version(found, result.status, result.shape)

    async def _of_run(self, command: UUID, order_id: str, shape: str | None) -> Result | None:
        # The order first: a run that ends in between is then found among the versions.
        order = await self._database["orders"].find_one(
            {"_id": order_id}, {"run.commandId": 1, "run.replyTo": 1}
        )
        if order is not None and order.get("run", {}).get("commandId") == str(command):
            return None
        # Versions of an order are neighbours: "/" comes right before "0".
        last = await self._database["order_versions"].find_one(
            {"_id": {"$gt": f"{order_id}/", "$lt": f"{order_id}0"}, "commandId": str(command)},
            {"version": 1, "statusCode": 1},
            sort=[("_id", -1)],
        )
        found = None if last is None else await version(self._database, order_id, last["version"])
        if found is None:
            return await self._of_erased(order_id)
        return _of_version(found, found.kept["statusCode"], shape)

    async def _of_erased(self, order_id: str) -> Result | None:
        """Return what is answered of an order that was deleted for good; None if it was not."""
        if await self._database["orders"].find_one({"_id": order_id}, {"_id": 1}) is not None:
            return None
        return Result(404, problem=problem("order-not-found"), order_id=order_id)


def _of_mark(mark: Bson) -> Result:
    outcome = mark["o"]
    slug = outcome.get("p", "")
    why = problem(slug if slug in CATALOGUE else "command-failed")
    return Result(
        # A run that has begun and is over now was a success, whatever its steps have said.
        _OK if outcome["s"] == _BEGUN else outcome["s"],
        problem=why if outcome["s"] >= _REFUSED else None,
        order_id=outcome.get("o"),
        version=outcome.get("v"),
        completed=mark["at"],
        shape=outcome.get("a"),
    )


def _of_version(found: Version, status: int, shape: str | None = None) -> Result:
    order, kept = found.order, found.kept
    if shape is not None:
        body = shaped(shape, order)
    else:
        body = _execution(order, kept) if status == _OK else order
    return Result(
        status=status,
        body=body,
        order_id=kept["orderId"],
        version=found.number,
        completed=kept["at"],
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
    return from_json(result.body) if result.body else None
