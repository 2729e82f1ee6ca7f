"""Signatures as Standard Webhooks 1.0.0 defines them: scheme `v1`, HMAC with SHA-256."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64
_AT_A_TIME: Final = 2_047


@lru_cache(maxsize=4096)
def key_of(secret: str) -> bytes:
    """Return the key that a secret stands for.

    :raises ValueError: if it is no secret; the text tells what is expected, not what came
    """
    expected = f"expected {PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} bytes"
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if not secret.startswith(PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(expected)
    return key


@lru_cache(maxsize=4096)
def _keyed(secret: str) -> hmac.HMAC:
    return hmac.new(key_of(secret), digestmod="sha256")


def sign(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a secret, the newest first."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return " ".join("v1," + base64.b64encode(_digest(one, content)).decode() for one in secrets)


def _digest(secret: str, content: bytes) -> bytes:
    keyed = _keyed(secret).copy()
    # Above 2,047 bytes at a time hashlib lets other threads run, which takes longer than hashing.
    for start in range(0, len(content), _AT_A_TIME):
        keyed.update(content[start : start + _AT_A_TIME])
    return keyed.digest()
