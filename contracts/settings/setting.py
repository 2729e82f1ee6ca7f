"""What all settings have in common: how they are read, and what a list of named things must be."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic.alias_generators import to_camel

from contracts.faults import Path, RuleBroken
from contracts.fields import LONGEST_KEY, LONGEST_LIST
from contracts.model import Model
from contracts.note import PropertyItem

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]
"""What something is called, matched without regard to case."""


def _expect_list(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError("expected a list")  # noqa: TRY004 - pydantic wants ValueError
    return value


Item = TypeVar("Item")
TupleOf = Annotated[tuple[Item, ...], BeforeValidator(_expect_list), Field(max_length=LONGEST_LIST)]
"""A list of at most 250 entries that nobody changes in place."""

Names = TupleOf[str]
"""A list of names or ids."""


class Setting(Model):
    """A part of the configuration, shared by everything that runs.

    Member names are read in any case, since the samples of the configuration guide are
    PascalCase; null means the same as leaving the member out.
    """

    @model_validator(mode="before")
    @classmethod
    def _in_our_spelling(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        ours = {info.alias or name: name for name, info in cls.model_fields.items()}
        known = {word.casefold(): word for word in (*ours, *ours.values())}
        known |= {other: known[name.casefold()] for other, name in cls.other_names.items()}
        return {
            known.get(str(name).casefold(), name): value
            for name, value in data.items()
            if value is not None
        }

    def model_copy(
        self,
        *,
        update: Mapping[str, Any] | None = None,  # Any: pydantic's own signature
        deep: bool = False,
    ) -> Self:
        """Return a copy with the members in `update`; what was computed is computed anew."""
        copied = super().model_copy(update=update, deep=deep)
        # What was computed from the members must not outlive a change of them.
        for computed in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[computed]
        return copied


class Property(Setting, PropertyItem):
    """A custom property of the configuration; the samples say Name where orders say key."""

    other_names = {"name": "key"}  # noqa: RUF012 - a ClassVar of Model


class TranslationKey(Setting):
    """One of several reasons or types to choose from (OmniumTranslationKeys)."""

    id: Name
    translation_key: str | None = None


_Entries = TypeVar("_Entries", bound=tuple[Any, ...])


def distinct(*members: str) -> AfterValidator:
    """Refuse a list in which two entries agree in these members, regardless of case."""
    last: Final = to_camel(members[-1])

    def check(entries: _Entries) -> _Entries:
        seen: set[tuple[str, ...]] = set()
        faults: list[tuple[Path, str]] = []
        for index, entry in enumerate(entries):
            key = tuple(str(getattr(entry, member)).casefold() for member in members)
            if key in seen:
                faults.append(((index, last), "expected a value that no entry before it has"))
            seen.add(key)
        if faults:
            raise RuleBroken(faults)
        return entries

    return AfterValidator(check)


def index(entries: tuple[Item, ...], name_of: Callable[[Item], str]) -> dict[str, Item]:
    """Arrange entries by name, for `find`; the first of a name wins."""
    return {name_of(entry).casefold(): entry for entry in reversed(entries)}


def find(entries: Mapping[str, Item], name: str | None) -> Item | None:
    """Look an entry of `index` up, whatever the case of its name."""
    return entries.get(name.casefold()) if name is not None else None
