"""Signatures as Standard Webhooks 1.0.0 defines them.

Scheme `v1` is HMAC with SHA-256 and a secret that both sides know (`whsec_`). Scheme `v1a` is
Ed25519: we keep the private key (`whsk_`), and whoever has the public one (`whpk_`) can verify.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.messages.webhooks import SECRET_PREFIXES

SHARED: Final = SECRET_PREFIXES["v1"]
PRIVATE: Final = SECRET_PREFIXES["v1a"]
PUBLIC: Final = "whpk_"
_SHORTEST, _LONGEST = 24, 64
_SEED: Final = 32
_AT_A_TIME: Final = 2_047


@lru_cache(maxsize=4096)
def key_of(secret: str) -> bytes:
    """Return the key that a shared secret stands for.

    :raises ValueError: if it is no secret; the text tells what is expected, not what came
    """
    expected = f"expected {SHARED} and the base64 of {_SHORTEST} to {_LONGEST} bytes"
    key = _decoded(secret, SHARED, expected)
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(expected)
    return key


@lru_cache(maxsize=4096)
def private_key_of(secret: str) -> Ed25519PrivateKey:
    """Return the private key that is written so.

    :raises ValueError: as `key_of`
    """
    expected = f"expected {PRIVATE} and the base64 of {_SEED} bytes"
    seed = _decoded(secret, PRIVATE, expected)
    if len(seed) != _SEED:
        raise ValueError(expected)
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(secret: str) -> str | None:
    """Return what verifies the signatures of a private key; None for a shared secret.

    :raises ValueError: if it is neither
    """
    if not secret.startswith(PRIVATE):
        key_of(secret)
        return None
    raw = private_key_of(secret).public_key().public_bytes_raw()
    return PUBLIC + base64.b64encode(raw).decode()


def _decoded(secret: str, prefix: str, expected: str) -> bytes:
    if not secret.startswith(prefix):
        raise ValueError(expected)
    try:
        return base64.b64decode(secret.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None


@lru_cache(maxsize=4096)
def _keyed(secret: str) -> hmac.HMAC:
    return hmac.new(key_of(secret), digestmod="sha256")


def sign(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a secret, the newest first."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return " ".join(_signature(one, content) for one in secrets)


def _signature(secret: str, content: bytes) -> str:
    if secret.startswith(PRIVATE):
        return "v1a," + base64.b64encode(private_key_of(secret).sign(content)).decode()
    return "v1," + base64.b64encode(_digest(secret, content)).decode()


def _digest(secret: str, content: bytes) -> bytes:
    keyed = _keyed(secret).copy()
    # Above 2,047 bytes at a time hashlib lets other threads run, which takes longer than hashing.
    for start in range(0, len(content), _AT_A_TIME):
        keyed.update(content[start : start + _AT_A_TIME])
    return keyed.digest()
