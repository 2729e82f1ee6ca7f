"""What hangs on an order or its parts: properties, external ids, comments, assets, errors."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.fields import LONGEST_KEY, Flag, ListOf, Whole
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
    sort_order: Whole | None = None
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
