"""Ids and numbers of orders: texts that can stand in a URL."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo

LONGEST_ID: Final = 128

# GET /api/Orders/{id} must not be mistaken for one of its neighbours; "." and ".." never reach
# a server as they are.
_ROUTE_SEGMENTS: Final = frozenset(
    {
        ".",
        "..",
        "addcomment",
        "addmany",
        "carts",
        "customers",
        "existmany",
        "exportorders",
        "getaspdf",
        "getorderaspdf",
        "getorders",
        "importmany",
        "orderlines",
        "patchlineitemids",
        "posorders",
        "processcartworkflowtest",
        "scroll",
        "search",
        "searchbycustomproperties",
        "secret",
        "update",
        "updatemany",
    }
)
_FORBIDDEN: Final = frozenset("/\\?#%")


def _addressable(text: str, info: ValidationInfo) -> str:
    if info.context is not None and not text.strip():
        raise ValueError("expected text that is not blank")
    if not text.isprintable() or not _FORBIDDEN.isdisjoint(text):
        raise ValueError("expected printable characters without / \\ ? # %")
    if text.casefold() in _ROUTE_SEGMENTS:
        raise ValueError("expected an id that is no route of the API")
    return text


OrderId = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_addressable)]
"""The id or number of an order: 1 to 128 printable characters without / \\ ? # %.

No word of the API's own routes, whatever its case: `search` could never be fetched. One from
outside is not blank either.
"""
