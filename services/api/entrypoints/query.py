"""Query parameters, read as a model like any body: names in any case, every fault named."""

from typing import Annotated, Final, TypeVar, get_origin

from pydantic import Field

from contracts.fields import Whole
from contracts.model import Invalid, Model, parse
from services.api.entrypoints.request import Request, refused

AnyModel = TypeVar("AnyModel", bound=Model)

LARGEST_PAGE: Final = 500


class Paging(Model):
    """Which part of a list, as all lists of our own have it (decided 10.2)."""

    page: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1
    """The first one is 1."""
    page_size: Annotated[Whole, Field(ge=1, le=LARGEST_PAGE)] = 50
    """Entries on a page."""


def query_of(request: Request, model: type[AnyModel]) -> AnyModel:
    """Return the query as this model; of several values the last counts, but where it has a list.

    :raises Refusal: validation-failed, naming every parameter at fault
    """
    lists = {
        (field.alias or name).casefold()
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is list
    }
    sent = {
        name: values if name in lists else values[-1] for name, values in request.query().items()
    }
    try:
        return parse(model, sent).value
    except Invalid as invalid:
        raise refused(invalid, b"{}") from invalid
