"""The rules of the payments service: operations, the ledger they make up, and how each one ends."""
