"""The base of everything that is a value: frozen, and cheap to copy with changes."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel


class Value(BaseModel):
    """A model that is never changed in place; `model_copy` makes a changed copy.

    Copies share what was not changed. They are made some fifty times an order, so this one leaves
    out what pydantic's own does for deep copies and extra members, which values do not have.
    """

    def model_copy(
        self,
        *,
        update: Mapping[str, Any] | None = None,  # Any: pydantic's own signature
        deep: bool = False,
    ) -> Self:
        """Return a copy with the members in `update`, which are not validated."""
        if deep:
            return super().model_copy(update=update, deep=True)
        copy = type(self).__new__(type(self))
        members = self.__dict__.copy()
        named = self.__pydantic_fields_set__
        if update:
            members.update(update)
            named = named.union(update)
        _set(copy, "__dict__", members)
        _set(copy, "__pydantic_fields_set__", named)
        _set(copy, "__pydantic_extra__", None)
        private = self.__pydantic_private__
        _set(copy, "__pydantic_private__", dict(private) if private else private)
        return copy


# Frozen models refuse plain assignment, also to the copy that is being made.
_set = object.__setattr__
