"""Moves money, or records that somebody else did.

Owns the collection `payment_operations`: one document an authorization, capture, void or credit,
never deleted, which together are the ledger of each payment. Listens to `payments.commands`. Speaks
on `orders.commands`: one StepFinished for each command that a step of a run waits for. Calls the
payment providers that the connectors name (contracts/schemas/payment-provider.openapi.yaml).
"""
