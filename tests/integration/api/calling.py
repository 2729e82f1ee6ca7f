"""A client of the api, as a shop would be."""

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
from argon2 import PasswordHasher

from services.chassis.mongo import Database

OWNER, OWNER_SECRET = "owner", "a secret of the owner"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    json: Any = None  # Any: whatever JSON it is, for tests to look into

    @property
    def problem(self) -> str:
        """The last part of the problem's type."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["type"].rsplit("/", 1)[-1])


@dataclass
class Caller:
    """Sends requests with one client's token."""

    url: str
    token: str = ""
    session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    @classmethod
    async def signed_in(cls, url: str, id_: str = OWNER, secret: str = OWNER_SECRET) -> Self:
        """Fetch a token first."""
        caller = cls(url)
        said = await caller("POST", "/api/token", query={"clientId": id_, "clientSecret": secret})
        caller.token = said.body.decode()
        return caller

    async def close(self) -> None:
        await self.session.close()

    async def __call__(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        data: bytes | None = None,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        sent = {name.lower(): text for name, text in (headers or {}).items()}
        if self.token and "authorization" not in sent:
            sent["authorization"] = f"Bearer {self.token}"
        async with self.session.request(
            method,
            self.url + path,
            params=query,
            json=json,
            data=None if data is None else io.BytesIO(data),
            headers=sent,
            skip_auto_headers=["content-type"] if data is not None else [],
        ) as response:
            body = await response.read()
            found = {name.lower(): text for name, text in response.headers.items()}
            value = None
            kind = found.get("content-type", "")
            if body and "json" in kind and "ndjson" not in kind:
                value = await response.json(content_type=None)
            return Answer(response.status, found, body, value)


async def keep_client(
    database: Database, id_: str, *roles: str, secret: str, **members: object
) -> None:
    """Put a client in place, or change it, as the owner would."""
    document = {
        "secretHash": PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(secret),
        "roles": list(roles),
        "stores": [],
        "markets": [],
        "isActive": True,
        "generation": 1,
        "created": datetime.now(UTC),
    }
    await database["api_clients"].update_one(
        {"_id": id_}, {"$set": document | members}, upsert=True
    )
