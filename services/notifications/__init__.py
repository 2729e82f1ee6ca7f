"""Tells customers by e-mail what became of their orders.

Owns the collection `notifications`: one document a message id, which says whether the mail was
sent. Listens to `notifications.commands`. Speaks on `orders.commands`: StepFinished, when a step of
a run waits for it or when a mail failed.
"""
