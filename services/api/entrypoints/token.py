"""`POST /api/token`: a client's id and secret in, a token out (S1; domain 3 no. 40)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final
from urllib.parse import parse_qsl

from pydantic import ConfigDict, Field

from contracts.faults import Invalid
from contracts.model import Model, parse
from contracts.problems import FieldProblem
from contracts.reading import load
from services.api.domain import PUBLIC, refusal
from services.api.entrypoints.access import LIFETIME
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request, refused
from services.api.entrypoints.response import NO_STORE, OK, Response, json_response
from services.api.entrypoints.routing import Route

_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST: Final = 1024
_LONGEST_BODY: Final = 64 * 1024
_CREDENTIALS: Final = {"clientId", "clientSecret"}


class TokenRequest(Model):
    """Who asks for a token, and how it wants to have it.

    `client_id` and `client_secret`, as OAuth has them, are the same, and so is HTTP Basic.
    """

    client_id: Annotated[str, Field(max_length=_LONGEST)] | None = None
    """The client's id."""
    client_secret: Annotated[str, Field(max_length=_LONGEST)] | None = None
    """Its secret; better sent in a body than in the query."""
    return_as_json: bool | None = None
    """Whether the answer is JSON; if absent, that of a form is, and of a `grant_type`."""
    grant_type: Annotated[str | None, Field(alias="grant_type")] = None
    """As OAuth's clients send it; the answer then has their spelling, too."""

    other_names: ClassVar[Mapping[str, str]] = {
        "client_id": "clientId",
        "client_secret": "clientSecret",
    }


class TokenResponse(Model):
    """A token and how long it is good for (OmniumTokenResponse)."""

    model_config = ConfigDict(frozen=True)

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - no secret, but the kind of it
    expires_in: int = LIFETIME


async def issue_token(request: Request, parts: Parts) -> Response:
    """Return a token for `clientId` and `clientSecret`, from the query, a form, JSON or Basic.

    What the body says counts before the query, and Basic before both. The answer is the bare
    token, or JSON with `returnAsJson=true`, for a form, and for a `grant_type`.
    """
    request.limit = _LONGEST_BODY  # anybody may send it
    is_form = (request.header("content-type") or "").casefold().startswith(_FORM)
    sent = _read(await _sent(request, is_form=is_form))
    id_, secret = _credentials(request, sent)
    client = None
    if id_ and secret and "\0" not in id_:
        client = await parts.clients.with_secret(id_, secret)
    if client is None:
        raise refusal("invalid-credentials")
    token = parts.access.issue(client)
    as_json = sent.return_as_json
    if as_json is None:
        as_json = is_form or sent.grant_type is not None
    if not as_json:
        return Response(OK, token.encode(), (NO_STORE,), b"text/plain; charset=utf-8")
    body = TokenResponse(access_token=token).model_dump()
    if is_form or sent.grant_type is not None:
        # OAuth's clients look for their own spelling of the same.
        body |= {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
    return json_response(body, headers=(NO_STORE,))


async def _sent(request: Request, *, is_form: bool) -> dict[str, object]:
    """Return what was sent, the members of the body after those of the query."""
    sent: dict[str, object] = {name: values[-1] for name, values in request.query().items()}
    raw = await request.body()
    if not raw.strip():
        return sent
    if is_form:
        return sent | dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    if "json" not in (request.header("content-type") or "").casefold():
        raise refusal("unsupported-media-type", f"Send the query alone, {_FORM}, or JSON.")
    try:
        value = load(raw)
    except Invalid as invalid:
        raise refused(invalid, raw) from invalid
    if not isinstance(value, dict):
        fault = FieldProblem(path="$", message="expected an object")
        raise refusal("validation-failed", errors=[fault])
    return sent | value


def _read(sent: dict[str, object]) -> TokenRequest:
    try:
        return parse(TokenRequest, sent).value
    except Invalid as invalid:
        # Credentials that cannot be any are wrong ones; nothing of them is answered.
        faults = [fault for fault in invalid.errors if fault.path not in _CREDENTIALS]
        if not faults:
            raise refusal("invalid-credentials") from None
        told = [FieldProblem(path=fault.path, message=fault.message) for fault in faults]
        raise refusal("validation-failed", errors=told) from None


def _credentials(request: Request, sent: TokenRequest) -> tuple[str, str]:
    header = request.header("authorization") or ""
    if header[:6].casefold() == "basic ":
        try:
            pair = base64.b64decode(header[6:], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        id_, _, secret = pair[: 2 * _LONGEST].partition(":")
        return id_, secret
    return sent.client_id or "", sent.client_secret or ""


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/token",
        handler=issue_token,
        requires=PUBLIC,
        query=TokenRequest,
        body=TokenRequest,
        form=True,
        answer=TokenResponse,
        text=True,
        problems=("invalid-credentials",),
    ),
)
