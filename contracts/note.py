"""What hangs on an order or its parts: properties, external ids, comments, assets, errors."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from contracts.faults import Path, RuleBroken
from contracts.fields import LONGEST_KEY, Flag, Int, ListOf, Whole, spelled
from contracts.model import Model
from contracts.moment import Moment


class PropertyItem(Model):
    """A custom property; key and key group together say which (OmniumPropertyItem)."""

    key: Annotated[str, Field(max_length=LONGEST_KEY)] | None = None
    value: str | None = None
    key_group: str | None = None
    value_type: str | None = None


class ExternalId(Model):
    """What another system calls it, one for each provider (OmniumExternalId)."""

    id: str | None = None
    provider_name: str | None = None


class Asset(Model):
    """A file that belongs to an order: what is known of it, never its content (OmniumAsset)."""

    asset_id: str | None = None
    name: str | None = None
    description: str | None = None
    file_name: str | None = None
    asset_type: str | None = None
    content_type: str | None = None
    length: Whole | None = None
    """Bytes."""
    url: str | None = None
    external_url: str | None = None
    alt_text: str | None = None
    purpose: str | None = None
    sort_order: Int | None = None
    is_main_image: Flag | None = None
    force_upload: Flag | None = None
    parent_id: str | None = None
    created: Moment = None
    modified: Moment = None
    properties: ListOf[PropertyItem] | None = None


class Comment(Model):
    """A note on an order, for colleagues or for the customer (OmniumComment)."""

    id: str | None = None
    title: str | None = None
    detail: str | None = None
    type: str | None = None
    created: Moment = None
    creator: str | None = None
    user_id: str | None = None
    customer_id: str | None = None
    line_item_id: str | None = None
    object_id: str | None = None
    object_type: str | None = None
    parent_id: str | None = None
    tags: ListOf[str] | None = None
    attachments: ListOf[Asset] | None = None
    delivery_method: str | None = None
    """Email, Sms or EmailAndSms."""
    send_notification: Flag | None = None
    email_from_address: str | None = None
    email_from_name: str | None = None
    email_recipient: str | None = None
    email_subject: str | None = None
    sms_from: str | None = None
    sms_recipient: str | None = None


_CommentType = Literal["Public", "Internal"]
CommentType = Annotated[_CommentType, spelled(get_args(_CommentType))]
"""Whether the customer may see a comment."""

MOST_ADDRESSES: Final = 50
_ADDRESS: Final = re.compile(r"[^@\s,;]+@[^@\s,;]+")


def addresses(text: str | None) -> tuple[str, ...]:
    """Return the e-mail addresses in a text that separates them by commas or semicolons."""
    return tuple(one.strip() for one in re.split("[,;]", text or "") if one.strip())


def _some_addresses(text: str) -> str:
    found = addresses(text)
    if len(found) > MOST_ADDRESSES or not all(map(_ADDRESS.fullmatch, found)):
        raise ValueError(f"expected at most {MOST_ADDRESSES} e-mail addresses, between commas")
    return text


def _one_address(text: str) -> str:
    if text.strip() and not _ADDRESS.fullmatch(text.strip()):
        raise ValueError("expected an e-mail address")
    return text.strip()


EmailAddress = Annotated[str, AfterValidator(_one_address)]
"""One e-mail address; an empty text is none."""
EmailAddresses = Annotated[str, AfterValidator(_some_addresses)]
"""E-mail addresses, separated by commas or semicolons."""


class CommentRequest(Model):
    """A comment to be made, and who is to be told of it (OmniumOrderCommentRequest)."""

    other_names: ClassVar[Mapping[str, str]] = {"commenttext": "comment"}

    order_id: str
    comment: str | None = None
    """The text; it may be left out where a template has one."""
    template_name: str | None = None
    """One of the commentTemplates of the order settings, for text and subject (domain 2.9)."""
    comment_type: CommentType = "Public"
    created_by: str | None = None
    """Absent means the sales person where the settings say so, else the client."""
    tags: ListOf[str] | None = None
    market_id: str | None = None
    send_email: Flag = False
    email_to: EmailAddress | None = None
    """Absent means the customer's; an internal comment is sent only to whom this names."""
    email_cc: EmailAddresses | None = None
    email_bcc: EmailAddresses | None = None
    email_from: EmailAddress | None = None
    email_subject: str | None = None
    sender_name: str | None = None
    send_sms: Flag = False
    sms_phone_number: str | None = None

    @model_validator(mode="after")
    def _says_something_to_somebody(self, info: ValidationInfo) -> "CommentRequest":
        if info.context is None:
            return self  # our own message: it was checked when it came in
        faults = list(self._faults())
        if faults:
            raise RuleBroken(faults)
        return self

    def _faults(self) -> Iterator[tuple[Path, str]]:
        if not (self.comment or "").strip() and not self.template_name:
            yield ("comment",), "expected a text, or the name of a template that has one"
        if self.comment_type == "Public":
            return
        for is_sent, path, recipient in (
            (self.send_email, "emailTo", self.email_to),
            (self.send_sms, "smsPhoneNumber", self.sms_phone_number),
        ):
            if is_sent and not recipient:
                yield (path,), "is required, since no customer is told of an internal comment"


class EntityError(Model):
    """Something that went wrong with an order (OmniumEntityError)."""

    other_names: ClassVar[Mapping[str, str]] = {"occured": "occurred"}

    key: str | None = None
    message: str | None = None
    details: str | None = None
    comment: str | None = None
    severity: str | None = None
    """Error, Warning or Information."""
    status: str | None = None
    """New, Active, Solved or Deleted."""
    occurred: Moment = None
    reference_id: str | None = None
