"""`POST /api/token`: a client's id and secret in, a token out (S1; domain 3 no. 40)."""

import base64
import binascii
from typing import Final
from urllib.parse import parse_qsl

from pydantic import ConfigDict

from contracts.faults import Invalid
from contracts.model import Model
from contracts.reading import load
from services.api.domain import PUBLIC, refusal
from services.api.entrypoints.access import LIFETIME
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request, refused
from services.api.entrypoints.response import OK, Response, json_response
from services.api.entrypoints.routing import Route

_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST: Final = 1024
_NO_STORE: Final = ((b"cache-control", b"no-store"),)


class TokenResponse(Model):
    """A token and how long it is good for (OmniumTokenResponse)."""

    model_config = ConfigDict(frozen=True)

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - no secret, but the kind of it
    expires_in: int = LIFETIME


async def issue_token(request: Request, parts: Parts) -> Response:
    """Return a token for `clientId` and `clientSecret`, from the query, a form, JSON or Basic.

    The answer is the bare token, or JSON with `returnAsJson=true` or `grant_type`.
    """
    sent = await _sent(request)
    id_, secret = _credentials(request, sent)
    client = None
    if id_ and secret and len(id_) <= _LONGEST and len(secret) <= _LONGEST and "\0" not in id_:
        client = await parts.clients.with_secret(id_, secret)
    if client is None:
        raise refusal("invalid-credentials")
    token = parts.access.issue(client)
    as_json = sent.get("returnasjson", "").casefold() == "true" or "grant_type" in sent
    if as_json:
        # OAuth's clients look for their own spelling of the same.
        body = TokenResponse(access_token=token).model_dump(by_alias=True)
        oauth = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
        return json_response(body | oauth if "grant_type" in sent else body, headers=_NO_STORE)
    return Response(OK, token.encode(), _NO_STORE, b"text/plain; charset=utf-8")


async def _sent(request: Request) -> dict[str, str]:
    """Return what was sent, names in lower case; what the body says counts before the query."""
    sent = {name: values[-1] for name, values in request.query().items()}
    raw = await request.body()
    if not raw.strip():
        return sent
    kind = (request.header("content-type") or "").casefold()
    if kind.startswith(_FORM):
        pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
        return sent | {name.casefold(): value for name, value in pairs}
    if "json" not in kind:
        raise refusal("unsupported-media-type", f"Send the query alone, {_FORM}, or JSON.")
    try:
        value = load(raw)
    except Invalid as invalid:
        raise refused(invalid, raw) from invalid
    if not isinstance(value, dict):
        return sent
    words = {True: "true", False: "false"}
    return sent | {
        name.casefold(): words[word] if isinstance(word, bool) else str(word)
        for name, word in value.items()
        if isinstance(word, str | bool)
    }


def _credentials(request: Request, sent: dict[str, str]) -> tuple[str, str]:
    header = request.header("authorization") or ""
    if header[:6].casefold() == "basic ":
        try:
            pair = base64.b64decode(header[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        id_, _, secret = pair.partition(":")
        return id_, secret
    return (
        sent.get("clientid") or sent.get("client_id") or "",
        sent.get("clientsecret") or sent.get("client_secret") or "",
    )


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/token",
        handler=issue_token,
        requires=PUBLIC,
        answer=TokenResponse,
        problems=(
            "invalid-credentials",
            "malformed-json",
            "unsupported-media-type",
            "too-large",
        ),
    ),
)
