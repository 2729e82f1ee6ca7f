"""Writes `contracts/schemas/`: a JSON Schema for every message type, AsyncAPI and OpenAPI.

`poe schemas` writes them and refuses a change that breaks readers; `poe schemas --breaking` writes
that too. A schema says what is on the wire: members without a value are left out there.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema

from contracts import messages
from contracts.message import SCHEMA_BASE, SOURCE, Message
from contracts.messages import inventory, notifications, orders, payments, replies, webhooks
from contracts.messages.orders import OrderEvent
from contracts.messages.replies import Reply
from contracts.order import Order
from deploy import publish_openapi
from deploy.schema_differences import Difference, differences

FOLDER: Final = Path(__file__).parent.parent / "contracts" / "schemas"
ASYNCAPI: Final = "asyncapi"
ORDER: Final = "order"
DIALECT: Final = GenerateJsonSchema.schema_dialect

Json = dict[str, Any]  # Any: whatever JSON holds

LISTENS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": (replies.REPLIES,),
    "workflow": (orders.COMMANDS,),
    "payments": (payments.COMMANDS,),
    "inventory": (inventory.COMMANDS,),
    "notifications": (notifications.COMMANDS,),
    "webhooks": (orders.EVENTS, inventory.EVENTS, webhooks.COMMANDS),
}
SPEAKS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": (orders.COMMANDS, inventory.COMMANDS, webhooks.COMMANDS),
    "workflow": (
        orders.EVENTS,
        inventory.COMMANDS,
        payments.COMMANDS,
        notifications.COMMANDS,
        webhooks.COMMANDS,
        replies.REPLIES,
    ),
    "payments": (orders.COMMANDS,),
    "inventory": (orders.COMMANDS, inventory.EVENTS, replies.REPLIES),
    "notifications": (orders.COMMANDS,),
    "webhooks": (webhooks.EVENTS, replies.REPLIES),
}

_HEADERS: Final[Mapping[str, tuple[Json, str]]] = {
    "ce_specversion": ({"const": "1.0"}, "CloudEvents 1.0, binary mode."),
    "ce_id": ({"format": "uuid"}, "The message; a copy has the same id."),
    "ce_type": ({}, "The type of the message."),
    "ce_source": ({"const": SOURCE}, "Who sends."),
    "ce_subject": ({}, "What the message is about; equal to the record's key."),
    "ce_time": ({"format": "date-time"}, "When it happened, UTC."),
    "ce_dataschema": ({"format": "uri"}, "The `$id` of the body's schema."),
    "content-type": ({"const": "application/json"}, "The body is JSON."),
    "ce_correlationid": ({}, "The id of the command that began it all."),
    "ce_causationid": ({"format": "uuid"}, "The id of the message that caused this one."),
    "ce_sequence": ({"pattern": "^[0-9]+$"}, "The position among the events with this key."),
    "ce_traceparent": ({}, "W3C trace context."),
    "ce_replyto": ({"pattern": "^[0-9]+$"}, "The partition of `replies` where somebody waits."),
}
_ALWAYS: Final = tuple(_HEADERS)[:9]


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that only repeat the names of members."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - none of them
        return False


def message_types() -> list[type[Message]]:
    """Return every message that the modules of `contracts.messages` define, by type.

    :raises ValueError: if two of them have the same type
    """
    modules = (f"{messages.__name__}.{module.name}" for module in iter_modules(messages.__path__))
    members = (member for module in modules for member in vars(import_module(module)).values())
    found: dict[str, type[Message]] = {}
    for member in members:
        concrete = isinstance(member, type) and "type" in vars(member)
        if not concrete or not issubclass(member, Message):
            continue
        if found.setdefault(member.type, member) is not member:
            raise ValueError(f"two messages have the type {member.type}")
    return [found[name] for name in sorted(found)]


def schemas() -> dict[str, Json]:
    """Return the schema of every message by its type, and that of the order."""
    return {ORDER: _named(ORDER, Order)} | {
        kind.type: _message_schema(kind) for kind in message_types()
    }


def _named(name: str, model: type[BaseModel]) -> Json:
    schema = model.model_json_schema(mode="serialization", schema_generator=_Untitled)
    return {"$schema": DIALECT, "$id": f"{SCHEMA_BASE}{name}.json", **schema}


def _message_schema(kind: type[Message]) -> Json:
    """Return the schema of the body as it leaves, with what senders add as JSON.

    One file holds the order; whatever carries one refers to it.
    """
    # Any: create_model takes a type and a default for each member.
    added: dict[str, Any] = {
        name: (Any, ...) for name, field in kind.model_fields.items() if field.annotation is Order
    }
    if issubclass(kind, OrderEvent):
        added |= {"id": (UUID, ...), "order": (Any, ...)}
    if kind is Reply:
        added |= {"body": (Any, None)}
    if not added:
        return _named(kind.type, kind)
    body = create_model(kind.__name__, __base__=kind, __doc__=kind.__doc__, **added)
    schema = _named(kind.type, body)
    if "order" in added:
        schema["properties"]["order"] = {"$ref": f"{ORDER}.json"}
    return schema


def asyncapi() -> Json:
    """Return the AsyncAPI 3.0 document: who says what on which topic, and how it is wrapped."""
    kinds = message_types()
    topics = sorted({kind.topic for kind in kinds})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kontor",
            "version": _version(),
            "description": (
                "Messages of the order-management backend on Kafka: CloudEvents 1.0, binary mode. "
                "They arrive at least once; `ce_id` tells copies. Messages of one key keep their "
                "order. What a service cannot handle is put on `<service>.dead` as it came."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {"bootstrap": {"description": "KONTOR_KAFKA_BOOTSTRAP"}},
            }
        },
        "channels": {topic: _channel(topic, kinds) for topic in topics},
        "operations": dict(_operations(topics)),
        "components": {
            "messages": {kind.type: _message(kind) for kind in kinds},
            "schemas": {"headers": _headers()},
            "correlationIds": {
                "command": {
                    "description": "The command that began it all.",
                    "location": "$message.header#/ce_correlationid",
                }
            },
        },
    }


def _version() -> str:
    project = tomllib.loads((FOLDER.parent.parent / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def _channel(topic: str, kinds: list[type[Message]]) -> Json:
    return {
        "address": f"{{prefix}}{topic}",
        "parameters": {"prefix": {"default": "kontor.", "description": "KONTOR_TOPIC_PREFIX"}},
        "messages": {
            kind.type: {"$ref": f"#/components/messages/{kind.type}"}
            for kind in kinds
            if kind.topic == topic
        },
    }


def _operations(topics: list[str]) -> Iterator[tuple[str, Json]]:
    for action, verb, table in (("receive", "listens to", LISTENS), ("send", "speaks on", SPEAKS)):
        for service, named in table.items():
            for topic in named:
                if topic in topics:
                    yield (
                        f"{service}.{action}.{topic}",
                        {
                            "action": action,
                            "channel": {"$ref": f"#/channels/{topic}"},
                            "summary": f"{service} {verb} {topic}.",
                            "tags": [{"name": service}],
                        },
                    )


def _message(kind: type[Message]) -> Json:
    name = f"{kind.type}.json"
    summary, _, description = cleandoc(kind.__doc__ or "").partition("\n\n")
    return {
        "name": kind.type,
        "title": kind.__name__,
        "summary": summary,
        **({"description": description} if description else {}),
        "contentType": "application/json",
        "correlationId": {"$ref": "#/components/correlationIds/command"},
        "headers": {
            "allOf": [{"$ref": "#/components/schemas/headers"}],
            "properties": {
                "ce_type": {"const": kind.type},
                "ce_dataschema": {"const": f"{SCHEMA_BASE}{name}"},
            },
        },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": name},
        },
        "bindings": {
            "kafka": {"key": {"type": "string", "description": cleandoc(kind.key.__doc__ or "")}}
        },
    }


def _headers() -> Json:
    return {
        "type": "object",
        "required": list(_ALWAYS),
        "properties": {
            name: {"type": "string", **rest, "description": description}
            for name, (rest, description) in _HEADERS.items()
        },
    }


def documents() -> dict[str, Json]:
    """Return all that belongs into the folder, by name without `.json`."""
    return {**schemas(), ASYNCAPI: asyncapi()}


def text(document: Json) -> str:
    """Return the document as it is checked in."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def published(folder: Path = FOLDER) -> dict[str, Json]:
    """Return what is checked in, other people's files aside."""
    found: dict[str, Json] = {
        file.stem: json.loads(file.read_bytes()) for file in sorted(folder.glob("*.json"))
    }
    return {
        name: document
        for name, document in found.items()
        if name == ASYNCAPI or str(document.get("$id", "")).startswith(SCHEMA_BASE)
    }


def changes(folder: Path = FOLDER) -> list[Difference]:
    """Return what the code says otherwise than the schemas that are checked in."""
    before = {name: schema for name, schema in published(folder).items() if name != ASYNCAPI}
    return differences(before, schemas())


def write(folder: Path = FOLDER) -> None:
    """Make the folder hold what the code says."""
    wanted = documents()
    folder.mkdir(exist_ok=True)
    for name in published(folder).keys() - wanted.keys():
        (folder / f"{name}.json").unlink()
    for name, document in wanted.items():
        (folder / f"{name}.json").write_text(text(document), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Tell every difference, then write, unless one breaks readers and nobody said it may."""
    found = changes()
    sys.stdout.writelines(f"{one}\n" for one in found)
    if any(one.breaking for one in found) and "--breaking" not in arguments:
        return 1
    write()
    publish_openapi.write()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
