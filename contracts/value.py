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
        copy = _new(type(self))
        named = self.__pydantic_fields_set__
        if update:
            _set_members(copy, {**self.__dict__, **update})
            _set_named(copy, named.union(update))
        else:
            _set_members(copy, self.__dict__.copy())
            _set_named(copy, named)
        _set_extra(copy, None)
        private = self.__pydantic_private__
        _set_private(copy, private and private.copy())
        return copy


_new = object.__new__
# Frozen models refuse plain assignment, also to the copy that is being made; their slots do not.
_set_members = BaseModel.__dict__["__dict__"].__set__
_set_named = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__
