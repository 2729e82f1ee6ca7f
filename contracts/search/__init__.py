"""The one compiler of searches: what is asked for, within a scope, in MongoDB's words.

Lists, counts, searches, a customer's orders, custom properties, scrolls and exports all come here;
so do the filters of webhook endpoints, which are judged without a database: `fits`.
How orders keep what is looked for is described in `contracts.terms`.
"""

from contracts.search.conditions import Bson, fits
from contracts.search.query import EVERYTHING, Query, Scope, compiled

__all__ = ["EVERYTHING", "Bson", "Query", "Scope", "compiled", "fits"]
