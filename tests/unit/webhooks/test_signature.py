import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from services.webhooks.domain.signature import key_of, public_key, sign


def a_secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


class TestSign:
    def test_gives_the_signature_of_the_specifications_example(self) -> None:
        signature = sign(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )

        assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @given(key=st.binary(min_size=24, max_size=64), body=st.text(max_size=6000))
    def test_satisfies_the_public_library_whatever_the_body(self, key: bytes, body: str) -> None:
        data = body.encode("utf-8", "replace")
        now = int(datetime.now(UTC).timestamp())

        signature = sign([a_secret(key)], message_id="m", timestamp=now, body=data)

        headers = {
            "webhook-id": "m",
            "webhook-timestamp": str(now),
            "webhook-signature": signature,
        }
        Webhook(a_secret(key)).verify(data, headers, json_parse=False)

    def test_signs_with_every_secret_while_one_takes_over_from_another(self) -> None:
        old, new = a_secret(b"o" * 32), a_secret(b"n" * 32)

        both = sign([new, old], message_id="m", timestamp=1, body=b"{}")

        assert both.split(" ") == [
            sign([new], message_id="m", timestamp=1, body=b"{}"),
            sign([old], message_id="m", timestamp=1, body=b"{}"),
        ]


class TestSigningWithAPrivateKey:
    @given(seed=st.binary(min_size=32, max_size=32), body=st.binary(max_size=6000))
    def test_is_verified_by_the_public_key_alone(self, seed: bytes, body: bytes) -> None:
        secret = "whsk_" + base64.b64encode(seed).decode()
        shown = public_key(secret) or ""

        scheme, _, signature = sign([secret], message_id="m", timestamp=7, body=body).partition(",")

        assert (scheme, shown[:5]) == ("v1a", "whpk_")
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown[5:]))
        verifier.verify(base64.b64decode(signature), b"m.7." + body)

    @pytest.mark.parametrize("secret", ["whsk_", "whsk_!!!", "whsk_" + "a" * 12, "whpk_x"])
    def test_refuses_what_is_no_key(self, secret: str) -> None:
        with pytest.raises(ValueError, match="expected whs"):
            public_key(secret)


class TestKeyOf:
    @pytest.mark.parametrize("size", [24, 64])
    def test_takes_24_to_64_bytes(self, size: int) -> None:
        assert key_of(a_secret(b"k" * size)) == b"k" * size

    @pytest.mark.parametrize(
        "secret",
        [
            a_secret(b"k" * 23),
            a_secret(b"k" * 65),
            "whsec_???",
            "whsec_é",
            "",
            a_secret(b"k" * 32)[6:],
        ],
    )
    def test_refuses_everything_else_without_repeating_it(self, secret: str) -> None:
        with pytest.raises(ValueError, match="24 to 64 bytes") as raised:
            key_of(secret)

        assert not secret or secret not in str(raised.value)
