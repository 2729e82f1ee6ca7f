import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.publish_schemas import schemas
from deploy.schema_differences import Difference, differences

Json = dict[str, Any]

PUBLISHED = schemas()
MEMBERS = [
    (definition, name)
    for definition, schema in PUBLISHED["order"]["$defs"].items()
    for name in schema.get("properties", {})
]


def an_object(*required: str, **members: object) -> Json:
    return {"type": "object", "properties": members, "required": list(required)}


def between(old: Json, new: Json) -> list[tuple[str, bool]]:
    """The paths that differ, and whether that breaks readers."""
    return [(one.path, one.breaking) for one in differences({"m": old}, {"m": new})]


NULLABLE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
BREAKING = {
    "a member that is gone": (an_object(a={}), an_object()),
    "another type": (an_object(a={"type": "string"}), an_object(a={"type": "integer"})),
    "null where there was none": (an_object(a={"type": "string"}), an_object(a=NULLABLE)),
    "no null any more": (an_object(a=NULLABLE), an_object(a={"type": "string"})),
    "another type among several": (
        an_object(a={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        an_object(a=NULLABLE),
    ),
    "a type where anything went": (an_object(a={}), an_object(a={"type": "string"})),
    "another schema that is referred to": (
        an_object(a={"$ref": "order.json"}),
        an_object(a={"$ref": "return.json"}),
    ),
    "a new member that is required": (an_object(), an_object("a", a={})),
    "a member that is required now": (an_object(a={}), an_object("a", a={})),
    "a member that need not be there now": (an_object("a", a={}), an_object(a={})),
    "a word that is gone": (an_object(a={"enum": ["x", "y"]}), an_object(a={"enum": ["x"]})),
    "a closed list of words": (
        an_object(a={"type": "string"}),
        an_object(a={"type": "string", "enum": ["x"]}),
    ),
    "an open list of words": (
        an_object(a={"type": "string", "enum": ["x"]}),
        an_object(a={"type": "string"}),
    ),
    "a lower maximum": (an_object(a={"maximum": 9}), an_object(a={"maximum": 8})),
    "a higher minimum": (an_object(a={"minLength": 1}), an_object(a={"minLength": 2})),
    "a limit where there was none": (an_object(a={}), an_object(a={"maxLength": 8})),
    "another format": (an_object(a={"format": "uuid"}), an_object(a={"format": "date"})),
    "another default": (an_object(a={"default": 1}), an_object(a={"default": 2})),
}
HARMLESS = {
    "a new member": (an_object(), an_object(a={})),
    "a new word": (an_object(a={"const": "x"}), an_object(a={"enum": ["x", "y"]})),
    "a higher maximum": (an_object(a={"maximum": 8}), an_object(a={"maximum": 9})),
    "a limit less": (an_object(a={"minimum": 8}), an_object(a={})),
}


class TestDifferences:
    @pytest.mark.parametrize("name", BREAKING)
    def test_calls_breaking(self, name: str) -> None:
        old, new = BREAKING[name]

        found = between(old, new)

        assert found == [("a", True)]

    @pytest.mark.parametrize("name", HARMLESS)
    def test_calls_harmless(self, name: str) -> None:
        old, new = HARMLESS[name]

        found = between(old, new)

        assert found == [("a", False)]

    @pytest.mark.parametrize("word", ["title", "description", "examples"])
    def test_does_not_mind_other_words_for_people(self, word: str) -> None:
        old, new = an_object(a={word: "this"}), an_object(a={word: "that"})

        found = between(old, new)

        assert found == []

    def test_tells_of_schemas_that_come_and_go(self) -> None:
        old, new = {"order.gone": an_object()}, {"order.new": an_object()}

        found = differences(old, new)

        assert [(one.schema, one.breaking) for one in found] == [
            ("order.gone", True),
            ("order.new", False),
        ]

    def test_looks_into_lists_maps_and_definitions(self) -> None:
        def schema(leaf: str) -> Json:
            lines = {"type": "array", "items": {"$ref": "#/$defs/Line"}}
            line = an_object(notes={"additionalProperties": {"type": leaf}})
            return {**an_object(form=an_object(lines=lines)), "$defs": {"Line": line}}

        found = between(schema("string"), schema("integer"))

        assert found == [("form.lines[].notes{}", True)]

    def test_tells_once_of_a_definition_that_is_used_twice_or_holds_itself(self) -> None:
        def schema(leaf: str) -> Json:
            node = {"$ref": "#/$defs/Node"}
            definition = an_object(value={"type": leaf}, next=node)
            return {**an_object(a=node, b=node), "$defs": {"Node": definition}}

        found = between(schema("string"), schema("integer"))

        assert found == [("a.value", True)]

    def test_is_not_deceived_by_a_definition_that_was_renamed(self) -> None:
        old = {**an_object(a={"$ref": "#/$defs/A"}), "$defs": {"A": an_object(x={})}}
        new = {**an_object(a={"$ref": "#/$defs/B"}), "$defs": {"B": an_object(x={})}}

        found = between(old, new)

        assert found == []

    def test_finds_nothing_between_the_published_schemas_and_themselves(self) -> None:
        read_back = json.loads(json.dumps(PUBLISHED))

        found = differences(PUBLISHED, read_back)

        assert found == []

    @settings(max_examples=30)
    @given(st.sampled_from(MEMBERS))
    def test_finds_every_member_that_is_taken_out_of_the_order(
        self, member: tuple[str, str]
    ) -> None:
        definition, name = member
        without = copy.deepcopy(PUBLISHED["order"])
        del without["$defs"][definition]["properties"][name]

        found = differences({"order": PUBLISHED["order"]}, {"order": without})

        assert any(one.breaking and one.path.endswith(name) for one in found)


class TestDifference:
    def test_says_what_breaks_and_what_to_do(self) -> None:
        gone = Difference("order.created", "market", "is gone", breaking=True)

        sentence = str(gone)

        assert sentence == (
            "BREAKING order.created: `market` is gone. Take the change back; or publish it as a "
            "new message type beside the old one; or, when nobody can have read it yet, run "
            "`poe schemas --breaking` and tell it in contracts/CHANGELOG.md."
        )

    def test_says_what_is_harmless_and_what_to_do(self) -> None:
        new = Difference("order.created", "market", "is new and optional", breaking=False)

        sentence = str(new)

        assert sentence == (
            "harmless order.created: `market` is new and optional. Run `poe schemas` and check "
            "the files in."
        )
