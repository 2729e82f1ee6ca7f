"""Routes: one declaration each, found without regard to case, guarded before they are entered.

Plain ASGI and no framework: FastAPI and Starlette cost more a request than all that happens here,
and nothing of them was left in use (services/decisions, design 7).
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final
from urllib.parse import unquote

import structlog
from prometheus_client import Counter, Histogram
from pydantic import BaseModel

from contracts.problems import problem
from services.api.domain import PUBLIC, ROLES, Refusal, refusal
from services.api.entrypoints.access import Access
from services.api.entrypoints.cors import Cors
from services.api.entrypoints.limits import Kind, Limits
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    COMPRESSED_FROM,
    NO_CONTENT,
    Response,
    Streamed,
    problem_response,
)
from services.chassis import metrics
from services.chassis.health import Receive, Scope, Send
from services.chassis.mongo import is_outage

log = structlog.get_logger()

Handler = Callable[[Request, Parts], Awaitable[Response]]

READ_OFTEN: Final = frozenset({"ProductRead", "InventoryRead"})
"""Roles whose routes have a limit of their own: shops ask for goods all day (S1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the API; `handler`'s docstring says what it does.

    :param path: from the root, parameters in braces: `/api/Orders/{id}`
    :param requires: the role, or PUBLIC; there is no default, so none is forgotten
    :param body: what the body is read as, for the description
    :param form: whether the body may also be a form, or be absent, for the description
    :param optional: whether the body may be absent, for the description
    :param answer: what a success is, for the description
    :param text: whether a success may also be plain text, for the description
    :param files: media types of the files that a success may be, for the description
    :param status: the code of a success
    :param tagged: whether a success has an ETag, which a GET compares with If-None-Match, for the
        description; what takes If-Match has one anyway
    :param batch: whether the limits for batches hold, of the body and of how many at a time
    :param query: the model that the query is read as, for the description
    :param guests: whether a request without a token is let in too; one that has a token is treated
        as everywhere
    :param problems: what may go wrong here besides what may everywhere, for the description
    """

    method: str
    path: str
    handler: Handler
    requires: str
    body: object = None
    form: bool = False
    optional: bool = False
    answer: object = None
    text: bool = False
    files: tuple[str, ...] = ()
    status: int = 200
    tagged: bool = False
    batch: bool = False
    query: type[BaseModel] | None = None
    guests: Callable[[Parts], bool] | None = None
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.requires != PUBLIC and self.requires not in ROLES:
            raise ValueError(f"{self.method} {self.path} requires {self.requires!r}, no role")

    @property
    def kind(self) -> Kind:
        """Which limits hold, unless it is PUBLIC (decided 13.2)."""
        if self.batch:
            return Kind.BATCH
        return Kind.READ if self.requires in READ_OFTEN else Kind.ORDINARY


@dataclass(slots=True)
class _Node:
    """One segment of the paths: what may follow, and what is here."""

    fixed: dict[str, "_Node"] = field(default_factory=dict)
    any_value: "_Node | None" = None
    methods: dict[str, "_Entry"] = field(default_factory=dict)


@dataclass(slots=True)
class _Entry:
    """A route with the names of its parameters and its metrics."""

    route: Route
    names: tuple[str, ...]
    kind: Kind
    seconds: Histogram
    answers: dict[int, Counter] = field(default_factory=dict)

    def tell(self, status: int, seconds: float) -> None:
        counter = self.answers.get(status)
        if counter is None:
            counter = self.answers[status] = metrics.requests.labels(self.route.path, status)
        counter.inc()
        self.seconds.observe(seconds)


class Router:
    """Finds the route of a path: fixed segments in any case, fixed before parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        names = []
        for segment in _segments(route.path):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.any_value = node.any_value or _Node()
                node = node.any_value
            else:
                node = node.fixed.setdefault(segment.casefold(), _Node())
        if route.method in node.methods:
            raise ValueError(f"two routes for {route.method} {route.path}")
        seconds = metrics.request_seconds.labels(route.path)
        entry = _Entry(route, tuple(names), route.kind, seconds)
        node.methods[route.method] = entry
        if route.method == "GET":
            node.methods.setdefault("HEAD", entry)

    def find(self, path: str) -> tuple[Mapping[str, _Entry], tuple[str, ...]] | None:
        """Return the methods of a path, as it was sent, and the values of its parameters."""
        segments = _segments(path)
        if "%" in path:
            segments = [unquote(one) for one in segments]
        return next(_walk(self._root, segments, 0, ()), None)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _walk(
    node: _Node, segments: list[str], at: int, values: tuple[str, ...]
) -> Iterator[tuple[Mapping[str, _Entry], tuple[str, ...]]]:
    if at == len(segments):
        if node.methods:
            yield node.methods, values
        return
    segment = segments[at]
    fixed = node.fixed.get(segment.casefold())
    if fixed is not None:
        yield from _walk(fixed, segments, at + 1, values)
    # A blank value names nothing, and a search for nothing would find everything.
    if node.any_value is not None and segment.strip():
        yield from _walk(node.any_value, segments, at + 1, (*values, segment))


class Application:
    """The ASGI application: finds the route, lets the client in or not, answers, tells."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        access: Access,
        limits: Limits,
        parts: Parts,
        cors_origins: Collection[str] = (),
    ) -> None:
        self._router = Router(routes)
        self._access = access
        self._limits = limits
        self._parts = parts
        self._cors = Cors(cors_origins) if cors_origins else None
        self._elsewhere = _Entry(
            Route(method="*", path="*", handler=_nowhere, requires=PUBLIC),
            (),
            Kind.ORDINARY,
            metrics.request_seconds.labels("*"),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started = perf_counter()
        method: str = scope["method"]
        # Not `path`, in which a slash that is part of an id can no longer be told from the others.
        found = self._router.find(scope["raw_path"].decode("latin-1"))
        entry = found[0].get(method) if found is not None else None
        client = None
        if found is not None and entry is not None:
            request = self._request(entry, found[1], scope, receive)
            response = await self._answer(entry, request, started)
            client = request.client.id or None
            response.occurred_at(scope["raw_path"])
            if len(response.body) >= COMPRESSED_FROM:
                await response.compress(request.headers.get(b"accept-encoding", b""))
        else:
            response = _unrouted(method, found)
            response.occurred_at(scope["raw_path"])
        if self._cors is not None:
            self._cors.allow(dict(scope["headers"]), response)
        await response.send(send, without_body=method == "HEAD")
        seconds = perf_counter() - started
        told = entry or self._elsewhere
        told.tell(response.status, seconds)
        log.info(
            "http.answered",
            route=told.route.path,
            method=method,
            status=response.status,
            seconds=round(seconds, 4),
            client=client,
        )

    def _request(
        self, entry: _Entry, values: tuple[str, ...], scope: Scope, receive: Receive
    ) -> Request:
        parts = self._parts
        return Request(
            scope,
            receive,
            path=entry.route.path,
            parameters=dict(zip(entry.names, values, strict=True)),
            limit=parts.max_batch_body if entry.route.batch else parts.max_body,
        )

    async def _answer(self, entry: _Entry, request: Request, now: float) -> Response:
        route = entry.route
        try:
            if route.requires == PUBLIC or self._is_guest(route, request):
                return await route.handler(request, self._parts)
            await self._let_in(route, request)
            slot = self._limits.slot(entry.kind, request.client.id, now=now)
            response: Response | None = None
            try:
                await request.arrive(slot)
                response = await route.handler(request, self._parts)
                return response
            finally:
                if isinstance(response, Streamed):
                    response.slot = slot
                else:
                    slot.leave()
        except Refusal as refused:
            return problem_response(refused.problem)
        except Exception as error:
            if is_outage(error):
                log.warning("http.unavailable", route=route.path, error=type(error).__name__)
                return problem_response(problem("unavailable"))
            log.exception("http.failed", route=route.path)
            return problem_response(problem("internal-error"))

    def _is_guest(self, route: Route, request: Request) -> bool:
        if route.guests is None or b"authorization" in request.headers:
            return False
        return route.guests(self._parts)

    async def _let_in(self, route: Route, request: Request) -> None:
        request.client = await self._access.client(request)
        if route.requires not in request.client.roles:
            raise refusal("forbidden", f"This needs the role {route.requires}.")


def _unrouted(method: str, found: tuple[Mapping[str, _Entry], Any] | None) -> Response:
    if found is None:
        return problem_response(problem("no-such-path"))
    allow = (b"allow", ", ".join(sorted({*found[0], "OPTIONS"})).encode())
    if method == "OPTIONS":
        return Response(NO_CONTENT, headers=(allow,))
    return problem_response(problem("method-not-allowed"), headers=(allow,))


async def _nowhere(_: Request, __: Parts) -> Response:
    """Stand in where no route was found, so that such requests are counted too."""
    return problem_response(problem("no-such-path"))
