"""The keys that tokens are signed with, and how a token names its key (decided 13.5, RFC 7515)."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True, slots=True)
class Key:
    """What verifies tokens, by the one algorithm it is for; `id` is the `kid` of its tokens."""

    id: str
    algorithm: Literal["HS256", "EdDSA"]
    verifying: bytes | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey(Key):
    """A key that makes tokens, too."""

    signing: bytes | Ed25519PrivateKey


def of_secret(secret: str) -> SigningKey:
    """Return the key that a shared secret is, as raw UTF-8."""
    raw = secret.encode()
    # The id is the same for the same secret in every process, and tells nothing of it.
    id_ = hmac.new(raw, b"kontor token key", sha256).hexdigest()[:16]
    return SigningKey(id_, "HS256", raw, raw)


def of_private_key(private: Ed25519PrivateKey) -> SigningKey:
    """Return a key that signs, and whose public half others may verify with (RFC 8037)."""
    public = private.public_key()
    return SigningKey(_id(public), "EdDSA", public, private)


def of_public_key(public: Ed25519PublicKey) -> Key:
    """Return a key that only verifies what its private half signed."""
    return Key(_id(public), "EdDSA", public)


def _id(public: Ed25519PublicKey) -> str:
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
