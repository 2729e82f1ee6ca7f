"""A webhook receiver such as a customer would write: it verifies with the public library."""

from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from services.commands.demo.screen import Screen


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that was verified."""

    id: str
    body: dict[str, Any]  # JSON


class Receiver:
    """Listens on the loopback interface; knows the secret once the endpoint is made."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._runner: web.AppRunner | None = None
        self.secret = ""
        self.deliveries: list[Delivery] = []
        self.refused = 0

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/hooks", self._receive)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where webhooks are to go."""
        if self._runner is None:
            raise RuntimeError("the receiver was not started")
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/hooks"

    def of(self, order_id: str) -> list[Delivery]:
        """Return what came about this order, in the order in which it came."""
        return [one for one in self.deliveries if one.body["data"]["objectId"] == order_id]

    async def _receive(self, request: web.Request) -> web.Response:
        raw = await request.read()
        try:
            body = Webhook(self.secret).verify(raw, dict(request.headers))
        except WebhookVerificationError as error:
            self.refused += 1
            self._screen.seen("webhook", f"refused: {error}")
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        self.deliveries.append(Delivery(request.headers["webhook-id"], body))
        self._screen.seen(
            "webhook",
            f"{body['type']}, sequence {body['sequence']}, signature verified by standardwebhooks",
        )
        return web.Response(status=HTTPStatus.NO_CONTENT)
