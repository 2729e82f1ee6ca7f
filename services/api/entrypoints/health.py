"""Whether the api serves, and its figures: for whoever runs it, without a token (decided 13.1)."""

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.api.domain import PUBLIC
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Response
from services.api.entrypoints.routing import Route
from services.chassis import health


async def live(_: Request, __: Parts) -> Response:
    """Say that the process answers."""
    return Response(OK, b'{"live":true}')


async def ready(_: Request, parts: Parts) -> Response:
    """Say whether Kafka and MongoDB can be reached."""
    status, body = await health.report(dict(parts.checks))
    return Response(status, body)


async def figures(_: Request, __: Parts) -> Response:
    """Return every metric of this process for Prometheus."""
    return Response(OK, generate_latest(), media_type=CONTENT_TYPE_LATEST.encode())


ROUTES: Final = (
    Route(method="GET", path="/health/live", handler=live, requires=PUBLIC),
    Route(method="GET", path="/health/ready", handler=ready, requires=PUBLIC),
    Route(method="GET", path="/api/Health", handler=ready, requires=PUBLIC),
    Route(method="GET", path="/metrics", handler=figures, requires=PUBLIC),
)
