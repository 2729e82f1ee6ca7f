"""An order in which every member of the model has a value."""

from typing import Any

from contracts.order import Order

Json = Any  # Any: JSON

MOMENT = "2024-05-06T07:08:09.123000Z"

_SMALL = {"deliveredQuantity": 2.0, "canceledQuantity": 3.0, "returnQuantity": 1.0}
"""What may not be as large as the quantity ordered, or delivered."""


def every_member() -> Json:
    """Return the body of an order with every member of the published model filled."""
    schema = Order.model_json_schema(by_alias=True, mode="validation")
    return _value(schema, schema.get("$defs", {}), "order", 0)


def _value(schema: Json, known: Json, name: str, depth: int) -> Json:  # noqa: C901, PLR0911 - JSON's kinds
    if "$ref" in schema:
        return _value(known[schema["$ref"].rsplit("/", 1)[-1]], known, name, depth + 1)
    if "anyOf" in schema:
        return _value(_richest(schema["anyOf"]), known, name, depth)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {
                key: _value(inner, known, key, depth + 1)
                for key, inner in schema["properties"].items()
            }
        case "object":
            return {"a.b": {"$c": [1, "two", None, True]}}
        case "array":
            return [_value(schema["items"], known, name, depth + 1)]
        case "string":
            return MOMENT if schema.get("format") == "date-time" else f"a {name}"
        case "integer":
            return 7
        case "number":
            return _SMALL.get(name, 12.5)
        case "boolean":
            return True
    return f"any {name}"


def _richest(choices: Json) -> Json:
    """Return the choice that says most: a list before a number, a number before text."""
    order = ("object", "array", "number", "integer", "boolean", "string")

    def rank(choice: Json) -> int:
        kind = "object" if "$ref" in choice else choice.get("type")
        return order.index(kind) if kind in order else len(order)

    return min((one for one in choices if one.get("type") != "null"), key=rank)


def leaves(value: Json, path: str = "") -> dict[str, Json]:
    """Return every plain value by its path."""
    found: dict[str, Json] = {}
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            found |= leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            found |= leaves(inner, f"{path}[{place}]")
    else:
        found[path] = value
    return found
