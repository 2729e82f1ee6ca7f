from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import services.notifications
from contracts.messages.notifications import NotifiedLine, SendNotification
from services.chassis.calls import Attempt
from services.notifications import domain
from services.notifications.domain import DEFAULT_TEMPLATE, OCCASIONS, TEMPLATES
from services.notifications.gateways import Letters, MailServer
from services.notifications.settings import Settings

KEY = UUID("0198c0de-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LETTERS = Letters()


def written(*, number: int = 1, **members: object) -> bytes:
    command = SendNotification.model_validate(
        {
            "order_id": "1",
            "run_id": "run",
            "step": 3,
            "answer": True,
            "order_number": "ORD-1",
            "status": "New",
            "recipient": "kari@example.com",
            **members,
        }
    )
    _, (mail,), _ = domain.begin(command, id_="m", now=NOON)
    return LETTERS.write(
        mail, sender="shop@shop.example", attempt=Attempt(KEY, number, NOON, "c", None)
    )


def read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content


class TestLetters:
    def test_has_a_file_for_every_template_and_no_other(self) -> None:
        folder = Path(services.notifications.__file__).parent / "templates"

        names = {file.stem for file in folder.glob("*.jinja")}

        assert names == {*TEMPLATES, *OCCASIONS, DEFAULT_TEMPLATE}

    @pytest.mark.parametrize("status", ["Whatever", *sorted(TEMPLATES)])
    def test_names_the_order_in_subject_text_and_html(self, status: str) -> None:
        raw = written(status=status)

        mail = read(raw)
        assert "ORD-1" in mail["Subject"]
        assert "Order ORD-1" in text_of(mail, "plain")
        assert "Order ORD-1" in text_of(mail, "html")

    def test_writes_a_comment_as_it_stands_and_for_whom_it_stands(self) -> None:
        raw = written(
            template="comment",
            text="Dear <Kari>,\nit is on its way.",
            subject="On its way\r\nBcc: all@example.com",
            sender="ola@shop.example",
            sender_name="Ola\r\nBcc: all@example.com",
            copies=("boss@example.com", "desk@example.com"),
            blind_copies=("secret@example.com",),
        )

        mail = read(raw)
        assert mail["Subject"] == "On its way Bcc: all@example.com"
        assert mail["From"] == '"Ola Bcc: all@example.com" <ola@shop.example>'
        assert mail["Sender"] == "shop@shop.example"
        assert mail["Cc"] == "boss@example.com, desk@example.com"
        assert "Dear <Kari>,\nit is on its way." in text_of(mail, "plain")
        assert "Dear &lt;Kari&gt;,<br>\nit is on its way." in text_of(mail, "html")
        assert mail["Bcc"] is None
        assert b"secret@example.com" not in raw

    def test_lists_lines_and_total_as_people_write_amounts(self) -> None:
        shoe = NotifiedLine(name="Shoe", quantity=Decimal(2), total=Decimal("998.5"))

        raw = written(lines=(shoe,), total=Decimal("1E+3"), currency="NOK")

        text = text_of(read(raw), "plain")
        assert "  2 x Shoe  998.50 NOK\n" in text
        assert "  Total  1000 NOK\n" in text

    def test_escapes_html_in_the_html_part_alone(self) -> None:
        shoe = NotifiedLine(name="<b>Shoe & Co</b>", quantity=Decimal(1), total=Decimal(1))

        raw = written(lines=(shoe,))

        mail = read(raw)
        assert "&lt;b&gt;Shoe &amp; Co&lt;/b&gt;" in text_of(mail, "html")
        assert "<b>Shoe & Co</b>" in text_of(mail, "plain")

    def test_writes_the_same_bytes_at_every_attempt(self) -> None:
        first = written(number=1)

        second = written(number=2)

        assert first == second
        assert read(first)["Message-ID"] == f"<{KEY}@shop.example>"

    def test_says_when_and_by_whom_and_that_nobody_needs_to_answer(self) -> None:
        mail = read(written())

        assert mail["Date"].datetime == NOON
        assert mail["From"] == "shop@shop.example"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.get_content_type() == "multipart/alternative"
        assert (mail["Sender"], mail["Cc"]) == (None, None)

    @pytest.mark.parametrize("word", ["plain", "blåbær"])
    def test_writes_a_subject_in_any_alphabet_and_no_longer_than_may_be_read(
        self, word: str
    ) -> None:
        raw = written(template="comment", text="x", subject=f"{word}\u200b" + " word" * 60)

        assert read(raw)["Subject"].strip() == (word + " word" * 60)[:200]

    def test_lets_no_value_add_a_header(self) -> None:
        evil = "x\r\nBcc: eve@example.com\n\nHello"

        raw = written(recipient_name=evil, order_number=evil, status=evil, currency=evil)

        mail = read(raw)
        assert mail["Bcc"] is None
        assert [address.addr_spec for address in mail["To"].addresses] == ["kari@example.com"]

    @given(name=st.text(), number=st.text(min_size=1), line=st.text())
    def test_has_the_same_headers_whatever_the_order_says(
        self, name: str, number: str, line: str
    ) -> None:
        lines = (NotifiedLine(name=line, quantity=Decimal(1), total=Decimal(1)),)

        raw = written(recipient_name=name, order_number=number, lines=lines)

        mail = read(raw)
        assert sorted(mail.keys()) == sorted(read(written()).keys())
        assert [address.addr_spec for address in mail["To"].addresses] == ["kari@example.com"]
        assert len(list(mail.iter_parts())) == 2
        assert raw.isascii()


class TestMailServer:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("smtp://mail.example", MailServer("mail.example", 25)),
            ("smtps://mail.example:4650", MailServer("mail.example", 4650, "tls")),
            ("smtps://mail.example/", MailServer("mail.example", 465, "tls")),
            ("smtps://a@mail.example", MailServer("mail.example", 465, "tls", "a", "")),
            ("smtp://a:b@localhost", MailServer("localhost", 25, "offered", "a", "b")),
            (
                "smtp+starttls://us%40er:p%3Aw@mail.example",
                MailServer("mail.example", 587, "starttls", "us@er", "p:w"),
            ),
            ("smtp://a:b@[::1]:2525", MailServer("::1", 2525, "offered", "a", "b")),
        ],
    )
    def test_is_read_from_a_url(self, url: str, server: MailServer) -> None:
        found = MailServer.at(url)

        assert found == server

    @pytest.mark.parametrize(
        "url",
        [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://h:99999",
            "smtp://h/path",
            "smtp://h?query",
            "smtp://h#fragment",
            "smtp://user:secret@mail.example",
        ],
    )
    def test_is_refused_with_a_sentence_that_holds_nothing_of_the_url(self, url: str) -> None:
        with pytest.raises(ValueError, match="expected") as refusal:
            MailServer.at(url)

        assert "secret" not in str(refusal.value)

    def test_never_shows_its_password(self) -> None:
        server = MailServer.at("smtps://user:secret@mail.example")

        shown = f"{server!r} {server}"

        assert "secret" not in shown


class TestSettings:
    def settings(self, **members: object) -> Settings:
        return Settings.model_validate(
            {"kafka_bootstrap": "kafka:9092", "mongo_url": "mongodb://mongo", **members}
        )

    @pytest.mark.parametrize("absent", [None, "", " "])
    def test_has_no_mail_server_when_none_is_named(self, absent: str | None) -> None:
        settings = self.settings(smtp_url=absent)

        assert settings.mail_server() is None

    def test_never_shows_the_url(self) -> None:
        settings = self.settings(smtp_url="smtps://user:secret@mail.example")

        assert "secret" not in repr(settings)
        assert settings.mail_server() is not None

    def test_refuses_a_sender_that_is_no_address(self) -> None:
        with pytest.raises(ValidationError, match="expected an e-mail address"):
            self.settings(smtp_sender="Shop\r\nBcc: eve@example.com")

    def test_ends_the_process_naming_the_variable_and_not_its_value(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KONTOR_KAFKA_BOOTSTRAP", "kafka:9092")
        monkeypatch.setenv("KONTOR_MONGO_URL", "mongodb://mongo")
        monkeypatch.setenv("KONTOR_SMTP_URL", "smtp://user:secret@mail.example")

        with pytest.raises(SystemExit) as end:
            Settings.from_environment()

        assert "KONTOR_SMTP_URL" in str(end.value)
        assert "secret" not in str(end.value)
