import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from contracts.messages.notifications import SendNotification
from services.chassis.calls import Attempt
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.notifications import domain
from services.notifications.domain import Delivery, Fate, Mail
from services.notifications.gateways import Mailer, MailServer
from services.notifications.queries import Ledger
from tests.harness import database
from tests.mail import mail_server

SENDER = "shop@shop.example"


@pytest.fixture(scope="module")
async def mongo(settings: ChassisSettings) -> AsyncIterator[Database]:
    async with database(settings) as found:
        yield found


class Sender:
    """A mailer on the real ledger, and mails to give it."""

    def __init__(self, mongo: Database, url: str) -> None:
        self._mongo = mongo
        self._ledger = Ledger()
        self.mailer = Mailer(
            MailServer.at(url),
            sender=SENDER,
            ledger=self._ledger,
            command_seconds=1,
            hand_over_seconds=0.3,
        )

    async def a_mail(self, recipient: str = "kari@example.com") -> tuple[Mail, Attempt]:
        await self._ledger.prepare(self._mongo)
        now = datetime.now(UTC)
        command = SendNotification(
            order_id="1",
            run_id="run",
            step=1,
            answer=True,
            order_number="ORD-1",
            status="New",
            recipient=recipient,
        )
        record, (mail,), _ = domain.begin(command, id_=str(uuid4()), now=now)
        await self._mongo["notifications"].insert_one(record.to_bson())
        return mail, Attempt(uuid4(), 1, now, "c", None)

    async def send(self, recipient: str = "kari@example.com") -> Delivery:
        return await self.mailer.send(*await self.a_mail(recipient))


class TestMailer:
    async def test_keeps_one_connection_for_many_mails(self, mongo: Database) -> None:
        async with mail_server() as server:
            sender = Sender(mongo, server.url)

            fates = [(await sender.send(f"{name}@example.com")).fate for name in "abc"]

            await sender.mailer.close()
        assert fates == [Fate.ACCEPTED] * 3
        assert [kept.recipients for kept in server.kept] == [
            ["a@example.com"],
            ["b@example.com"],
            ["c@example.com"],
        ]
        assert {kept.sender for kept in server.kept} == {SENDER}
        assert server.connections == 1

    async def test_opens_another_when_the_server_has_hung_up(self, mongo: Database) -> None:
        async with mail_server() as server:
            sender = Sender(mongo, server.url)
            await sender.send()
            server.hang_up()

            delivery = await sender.send()

            await sender.mailer.close()
        assert delivery.fate is Fate.ACCEPTED
        assert (len(server.kept), server.connections) == (2, 2)

    @pytest.mark.parametrize(
        ("answer", "fate"),
        [
            ("550 5.1.1 <Kari@Example.com>: no such user", Fate.REFUSED),
            ("450 4.2.0 greylisted", Fate.BUSY),
        ],
    )
    async def test_says_what_became_of_a_recipient_without_naming_it(
        self, mongo: Database, answer: str, fate: Fate
    ) -> None:
        async with mail_server() as server:
            server.refusals.append(answer)
            sender = Sender(mongo, server.url)

            delivery = await sender.send()
            next_one = await sender.send()

            await sender.mailer.close()
        assert (delivery.fate, delivery.handed_over) == (fate, False)
        assert answer[:3] in str(delivery.reason)
        assert "kari" not in str(delivery.reason).casefold()
        assert (next_one.fate, server.connections) == (Fate.ACCEPTED, 1)

    async def test_tells_a_refused_mail_from_an_unknown_end(self, mongo: Database) -> None:
        async with mail_server() as server:
            server.data_refusals.append("554 5.7.1 looks like spam")
            sender = Sender(mongo, server.url)

            delivery = await sender.send()

            await sender.mailer.close()
        assert (delivery.fate, delivery.handed_over) == (Fate.REFUSED, True)

    async def test_hands_a_mail_whose_end_is_unknown_over_twice_and_no_more(
        self, mongo: Database
    ) -> None:
        async with mail_server() as server:
            server.dies_after_taking, server.hangs = 1, 1
            sender = Sender(mongo, server.url)
            mail, attempt = await sender.a_mail()

            deliveries = [await sender.mailer.send(mail, attempt) for _ in range(3)]

            await sender.mailer.close()
        assert [delivery.fate for delivery in deliveries] == [Fate.UNKNOWN] * 3
        assert len(server.kept) == 2
        assert len({kept.mail["Message-ID"] for kept in server.kept}) == 1

    async def test_sends_nothing_that_is_forgotten(self, mongo: Database) -> None:
        async with mail_server() as server:
            sender = Sender(mongo, server.url)
            mail, attempt = await sender.a_mail()
            await mongo["notifications"].delete_one({"_id": mail.notification_id})

            delivery = await sender.mailer.send(mail, attempt)

        assert (delivery.fate, server.kept) == (Fate.FORGOTTEN, [])

    async def test_finds_nobody_where_nobody_listens(self, mongo: Database) -> None:
        async with mail_server() as server:
            url = server.url

        delivery = await Sender(mongo, url).send()

        assert (delivery.fate, delivery.handed_over) == (Fate.UNREACHABLE, False)

    async def test_waits_a_limited_time_for_a_server_that_says_nothing(
        self, mongo: Database
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody_accepts:
            port = nobody_accepts.getsockname()[1]

            delivery = await Sender(mongo, f"smtp://127.0.0.1:{port}").send()

        assert delivery.fate is Fate.UNREACHABLE

    async def test_is_turned_away_with_a_wrong_password(self, mongo: Database) -> None:
        async with mail_server(users=[("kontor", "right")]) as server:
            wrong = await Sender(mongo, f"smtp://kontor:wrong@127.0.0.1:{server.port}").send()
            right = Sender(mongo, f"smtp://kontor:right@127.0.0.1:{server.port}")

            delivery = await right.send()

            await right.mailer.close()
        assert wrong.fate is Fate.UNREACHABLE
        assert wrong.reason == "the mail server takes neither user name nor password (535)"
        assert delivery.fate is Fate.ACCEPTED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    # One trusted tool with fixed arguments.
    subprocess.run(
        [
            "/usr/bin/env",
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=mail.test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(file),
            "-out",
            f"{file}.crt",
        ],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + Path(f"{file}.crt").read_bytes())
    return file


class TestEncryption:
    @pytest.fixture
    def context(self, certificate: Path) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        return context

    @pytest.mark.parametrize("scheme", ["smtp", "smtp+starttls"])
    async def test_is_taken_up_where_the_server_offers_starttls(
        self,
        mongo: Database,
        context: ssl.SSLContext,
        certificate: Path,
        scheme: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
        async with mail_server(starttls=context) as server:
            sender = Sender(mongo, f"{scheme}://127.0.0.1:{server.port}")

            delivery = await sender.send()

            await sender.mailer.close()
        assert (delivery.fate, server.secured) == (Fate.ACCEPTED, True)

    async def test_begins_with_the_first_byte_for_smtps(
        self,
        mongo: Database,
        context: ssl.SSLContext,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
        async with mail_server(tls=context) as server:
            sender = Sender(mongo, f"smtps://127.0.0.1:{server.port}")

            delivery = await sender.send()

            await sender.mailer.close()
        assert delivery.fate is Fate.ACCEPTED

    async def test_is_demanded_where_the_url_says_so(self, mongo: Database) -> None:
        async with mail_server() as server:
            delivery = await Sender(mongo, f"smtp+starttls://127.0.0.1:{server.port}").send()

        assert (delivery.fate, server.kept) == (Fate.UNREACHABLE, [])

    async def test_trusts_no_certificate_that_nobody_vouches_for(
        self, mongo: Database, context: ssl.SSLContext
    ) -> None:
        async with mail_server(starttls=context) as server:
            delivery = await Sender(mongo, f"smtp+starttls://127.0.0.1:{server.port}").send()

        assert (delivery.fate, server.kept) == (Fate.UNREACHABLE, [])
