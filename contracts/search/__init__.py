"""The one compiler of searches: what is asked for, within a scope, in MongoDB's words.

Lists, counts, searches, a customer's orders, custom properties, scrolls and exports all come here.
How orders keep what is looked for is described in `contracts.terms`.
"""

from contracts.search.query import EVERYTHING, Query, Scope, compiled

__all__ = ["EVERYTHING", "Query", "Scope", "compiled"]
