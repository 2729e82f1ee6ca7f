"""Orders on paper and in files: PDF, exports to a file and to connectors (S0)."""

from typing import Final

from services.api.entrypoints.documents import export, paper

ROUTES: Final = (*paper.ROUTES, *export.ROUTES)
