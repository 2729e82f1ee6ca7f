"""What services keep: one model per kind of document. Pure, so that rules may know it."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from contracts.message import Message
from contracts.value import Value

# What a document is to the driver: names and whatever BSON can hold.
Bson = dict[str, Any]


def _stored_name(name: str) -> str:
    return "_id" if name == "id" else to_camel(name)


class Document(Value):
    """What a service keeps under one id. Frozen: rules return changed copies.

    `revision` counts the writes of the document and guards them: a copy that is not the newest is
    refused. Whoever changes a document leaves `revision` alone.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=_stored_name,
        populate_by_name=True,
    )

    collection: ClassVar[str]

    id: str
    revision: int = 0

    def to_bson(self, only: set[str] | None = None) -> Bson:
        """Return the stored form of the fields in `only` or of all, without absent members."""
        return self.model_dump(by_alias=True, exclude_none=True, include=only)

    @classmethod
    def from_bson(cls, stored: Bson) -> "Document":
        """Read the stored form."""
        return cls.model_validate(stored)

    @property
    def at_hand(self) -> bool:
        """Whether the next message about it is expected soon, so that it stays in memory."""
        return False

    def announce(self, before: "Document | None") -> Sequence[Message]:  # noqa: ARG002
        """Return the events by which the world learns of all the batch did to this document."""
        return ()


AnyDocument = TypeVar("AnyDocument", bound=Document)
