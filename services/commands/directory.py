"""What `kontor up` keeps in its directory for the other commands: who may sign in, what runs where.

Both files are for their owner's eyes only, and are replaced whole, never half written.
"""

import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT: Final = Path(".kontor")
OWNER: Final = "owner.json"
STACK: Final = "stack.json"

# JSON written by ourselves; its shape is that of design 9.
Stack = dict[str, Any]

MEMBERS: Final = ("clientId", "clientSecret", "tokenSecret")


@dataclass(frozen=True, slots=True)
class Owner:
    """The first ApiOwner, and the secret that signs tokens."""

    client_id: str
    client_secret: str
    token_secret: str


def owner(directory: Path) -> Owner:
    """Return who owns the Kontor of this directory.

    What the environment does not say (KONTOR_OWNER_CLIENT_ID, KONTOR_OWNER_CLIENT_SECRET,
    KONTOR_TOKEN_SECRET) is read from `owner.json`, which is made when it is missing.
    """
    path = directory / OWNER
    if path.exists():
        found = _read(path, *MEMBERS)
    else:
        made = ("owner", secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        found = dict(zip(MEMBERS, made, strict=True))
        write(path, found)
    return Owner(
        client_id=os.environ.get("KONTOR_OWNER_CLIENT_ID") or found["clientId"],
        client_secret=os.environ.get("KONTOR_OWNER_CLIENT_SECRET") or found["clientSecret"],
        token_secret=os.environ.get("KONTOR_TOKEN_SECRET") or found["tokenSecret"],
    )


def renew(directory: Path, client_id: str, client_secret: str) -> None:
    """Keep the owner's new secret; that of any other client is not kept here."""
    path = directory / OWNER
    if path.exists() and (known := _read(path, *MEMBERS))["clientId"] == client_id:
        write(path, {**known, "clientSecret": client_secret})


def stack(directory: Path) -> Stack:
    """Return what `kontor up` said of the processes of this directory.

    :raises SystemExit: if it says nothing, because nothing runs there
    """
    path = directory / STACK
    if not path.exists():
        sys.exit(
            f"No Kontor runs in {directory}. Start one with `kontor up --data {directory}`, name "
            "another directory with --data, or say where it is with --url, --client-id and "
            "--client-secret."
        )
    return _read(path, "api")


def write(path: Path, content: Stack) -> None:
    """Replace the file, at once and as a whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    fresh.replace(path)


def _read(path: Path, *members: str) -> Stack:
    try:
        found: object = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= set(members):
        sys.exit(f"{path} is not what was written there. Delete it; `kontor up` makes it anew.")
    return found
