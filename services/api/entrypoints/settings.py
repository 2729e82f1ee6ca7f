"""The settings of the system, each document read and replaced whole (decided 1.2, 1.4)."""

from typing import Any, Final, get_origin

from pydantic_core import from_json, to_json

from contracts.model import Invalid, parse
from contracts.reading import load
from contracts.settings import DOCUMENTS
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request, named, refused
from services.api.entrypoints.response import MOST_IGNORED, NOT_MODIFIED, OK, Response, etag
from services.api.entrypoints.routing import Handler, Route
from services.api.queries.references import Warned, dangling
from services.api.queries.settings import Changed, Stored, shown, MEMBERS
