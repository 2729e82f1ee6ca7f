"""The environment of this service."""

from pydantic import SecretStr, field_validator

from services.chassis.settings import ChassisSettings
from services.notifications.domain import deliverable
from services.notifications.gateways import MailServer


class Settings(ChassisSettings):
    """Which mail server takes our mail, and from whom it comes.

    `smtp_url` is `smtp://host[:port]` (STARTTLS where the server offers it),
    `smtp+starttls://user:password@host[:port]` (never without) or `smtps://…` (TLS from the first
    byte). Without it nothing is sent (decided 9). The host is the operator's own choice, so the
    address filter of outbound calls, which guards what clients may name, does not apply to it.
    """

    smtp_url: SecretStr | None = None
    smtp_sender: str = "no-reply@localhost"

    @field_validator("smtp_url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        MailServer.at(value.get_secret_value())
        return value

    @field_validator("smtp_sender")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if deliverable(value) is None:
            raise ValueError("expected an e-mail address such as no-reply@shop.example")
        return value

    def mail_server(self) -> MailServer | None:
        """Return where mail goes, None when no mail server is configured."""
        return MailServer.at(self.smtp_url.get_secret_value()) if self.smtp_url else None
