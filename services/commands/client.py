"""The HTTP API of a running Kontor, as the commands use it."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
import typer

from services.commands import directory

Data = Annotated[Path, typer.Option("--data", help="The directory of the `kontor up` to talk to.")]
Url = Annotated[
    str | None, typer.Option("--url", help="The api, if no `kontor up` of this machine is meant.")
]
ClientId = Annotated[
    str | None, typer.Option("--client-id", help="Who signs in; the owner, if nobody is named.")
]
ClientSecret = Annotated[
    str | None,
    typer.Option(
        "--client-secret",
        envvar="KONTOR_CLIENT_SECRET",
        help="That client's secret; "
        "give it in the environment, where the list of processes does not show it.",
    ),
]

_PATIENCE: Final = aiohttp.ClientTimeout(total=60)

Result = TypeVar("Result")
Json = Any  # what an answer holds


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Kontor answers, and who we are to it."""

    url: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the api said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, which all but files are."""
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Json:
        """The body, read."""
        return json.loads(self.text) if self.text else None


def place(
    data: Path, url: str | None = None, client_id: str | None = None, secret: str | None = None
) -> Place:
    """Return the Kontor that the options mean: the one of the directory, unless they say more.

    :raises SystemExit: if nothing runs in the directory, or the options are incomplete
    """
    if bool(client_id) != bool(secret):
        sys.exit(
            "--client-id and --client-secret (or KONTOR_CLIENT_SECRET in the environment) belong "
            "together; give both or neither."
        )
    if url and not client_id:
        sys.exit(
            "--url says where; say who, too, with --client-id and --client-secret (or "
            "KONTOR_CLIENT_SECRET in the environment)."
        )
    where = url or directory.stack(data)["api"]["url"]
    if client_id and secret:
        return Place(where.rstrip("/"), client_id, secret)
    owner = directory.owner(data)
    return Place(where.rstrip("/"), owner.client_id, owner.client_secret)


def call(where: Place, work: Callable[["Client"], Awaitable[Result]]) -> Result:
    """Do the work with a client that is signed in.

    :raises SystemExit: if the api is not there, or says no
    """

    async def signed_in() -> Result:
        async with Client(where) as client:
            return await work(client)

    try:
        return asyncio.run(signed_in())
    except aiohttp.InvalidURL:
        sys.exit(f"{where.url} is no URL of an api; expected one such as http://127.0.0.1:8080")
    except aiohttp.ClientSSLError as error:
        sys.exit(
            f"{error}. Where no TLS is spoken the URL begins with http://; where a certificate is "
            "not trusted SSL_CERT_FILE names the authority that is."
        )
    except aiohttp.ClientError:
        sys.exit(
            f"Nothing answers at {where.url}. See whether `kontor up` still runs there; its log is "
            "log/up.log in its directory."
        )
    except TimeoutError:
        sys.exit(f"{where.url} did not answer in time. `kontor explain` and its log may say why.")


def path(*segments: str) -> str:
    """Return the path below /api; segments may hold anything but nothing.

    :raises SystemExit: if one is blank, which would be another path, such as that of a list
    """
    if not all(segment.strip() for segment in segments):
        sys.exit("The id is empty; say which one is meant.")
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments)


class Client:
    """Signs in at the first request, and says what was refused in the api's own words."""

    def __init__(self, where: Place) -> None:
        self.where = where
        self._session: aiohttp.ClientSession | None = None
        self._token = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_PATIENCE)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def token(self) -> str:
        """Return a token, good for ten days."""
        if not self._token:
            answer = await self._send(
                "POST",
                "/api/token",
                {"clientId": self.where.client_id, "clientSecret": self.where.client_secret},
                {},
            )
            self._token = _good(answer, "POST", "/api/token").text
        return self._token

    async def ask(
        self,
        method: str,
        target: str,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer, whatever its status."""
        authorized = {"Authorization": f"Bearer {await self.token()}", **(headers or {})}
        return await self._send(method, target, body, authorized)

    async def want(self, method: str, target: str, body: Json = None) -> Answer:
        """Return the answer of a request that succeeds.

        :raises SystemExit: with the api's own words, if it does not
        """
        return _good(await self.ask(method, target, body), method, target)

    async def _send(
        self, method: str, target: str, body: Json, headers: Mapping[str, str]
    ) -> Answer:
        if self._session is None:
            raise RuntimeError("the client was not entered")
        async with self._session.request(
            method, self.where.url + target, json=body, headers=headers
        ) as response:
            return Answer(response.status, response.headers, await response.read())


def _good(answer: Answer, method: str, target: str) -> Answer:
    if answer.status < HTTPStatus.BAD_REQUEST:
        return answer
    try:
        problem = json.loads(answer.text)
    except ValueError:
        problem = {}
    lines = [f"{method} {target} was answered with {answer.status}. {problem.get('title', '')}"]
    if problem.get("detail"):
        lines.append(problem["detail"])
    lines += [f"  {fault['path']}: {fault['message']}" for fault in problem.get("errors", ())]
    sys.exit("\n".join(lines))
