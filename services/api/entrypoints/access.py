"""Tokens, and who is behind them (decided 13.5)."""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import jwt

from services.api.domain import Client, refusal
from services.api.entrypoints.keys import Key, SigningKey
from services.api.entrypoints.request import Request
from services.api.queries.clients import Clients
from services.chassis.clock import Clock

LIFETIME: Final = 864_000
"""Seconds: 10 days (S1)."""
REMEMBERED: Final = 4.0
"""Seconds for which a client's state is taken as read: it is refused within 5 (decided 13.5)."""
ISSUER: Final = "kontor"
_MOST_TOKENS: Final = 10_000
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True)
class _Token:
    """A token whose signature was checked."""

    client: str
    generation: int
    expires: float


@dataclass(slots=True)
class _Known:
    """A client as it was read, and until when that counts."""

    reading: "asyncio.Task[Client | None]"
    until: float


class Access:
    """Issues tokens and lets requests in.

    :param key: signs new tokens
    :param previous: keys whose tokens stay valid, so that the key can be changed
    :param audience: whom the tokens are for; the same key may sign those of another tenant
    """

    def __init__(
        self,
        clients: Clients,
        clock: Clock,
        *,
        key: SigningKey,
        previous: Iterable[Key] = (),
        audience: str,
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._key = key
        self._keys = {one.id: one for one in (*previous, key)}
        self._audience = audience
        self._tokens: dict[bytes, _Token] = {}
        self._known: dict[str, _Known] = {}

    def issue(self, client: Client) -> str:
        """Return a token for this client, good for ten days or until its secret changes."""
        now = int(self._clock.now().timestamp())
        claims = {
            "sub": client.id,
            "iss": ISSUER,
            "aud": self._audience,
            "iat": now,
            "exp": now + LIFETIME,
            # The generation of the secret: rotating it ends the tokens of the one before.
            "jti": f"{client.generation}.{secrets.token_hex(16)}",
        }
        key = self._key
        return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers={"kid": key.id})

    async def client(self, request: Request) -> Client:
        """Return who sends this request.

        :raises Refusal: unauthorized, without a valid token of an active client
        """
        header = request.headers.get(b"authorization")
        if header is None or header[:7].lower() != _BEARER:
            raise refusal("unauthorized")
        token = self._tokens.get(header) or self._checked(header)
        if token.expires <= self._clock.now().timestamp():
            raise refusal("unauthorized", "The token has expired; fetch a new one.")
        found = await self._current(token.client)
        if found is None or found.generation != token.generation:
            raise refusal("unauthorized", "The client was deactivated or has a new secret.")
        return found

    def forget(self, id_: str) -> None:
        """Look a client up anew at its next request, because it has changed."""
        self._known.pop(id_, None)

    def _checked(self, header: bytes) -> _Token:
        sent = header[7:].strip()
        try:
            # The id only chooses among our own keys, and each key has one algorithm.
            key = self._keys.get(jwt.get_unverified_header(sent).get("kid", ""))
            if key is None:
                raise refusal("unauthorized")
            claims = jwt.decode(
                sent,
                key.verifying,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=ISSUER,
                # `exp` is compared with our own clock, here and for tokens that are remembered.
                options={
                    "require": ["sub", "iss", "aud", "iat", "exp", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            generation = int(claims["jti"].partition(".")[0])
            token = _Token(claims["sub"], generation, float(claims["exp"]))
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError) as error:
            raise refusal("unauthorized") from error
        if len(self._tokens) >= _MOST_TOKENS:
            self._tokens.clear()
        self._tokens[header] = token
        # Another process may have issued it, after a change that is not noticed here yet.
        self.forget(token.client)
        return token

    async def _current(self, id_: str) -> Client | None:
        now = asyncio.get_running_loop().time()
        known = self._known.get(id_)
        if known is None or known.until <= now:
            if len(self._known) >= _MOST_TOKENS:
                self._known.clear()
            reading = asyncio.create_task(self._clients.find(id_))
            known = self._known[id_] = _Known(reading, now + REMEMBERED)
        if known.reading.done():
            if known.reading.exception() is None:
                return known.reading.result()
            del self._known[id_]
        return await asyncio.shield(known.reading)
