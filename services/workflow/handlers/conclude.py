"""What every handler ends with: the order is kept, the world is told, the command is answered."""

import zstandard

from contracts.history import version_key
from contracts.messages.orders import RunTimedOut
from contracts.messages.replies import ORDER, Reply, shaped
from contracts.order import Order
from services.chassis.batch import TooLarge
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.events import Told, conclude, run_result
from services.workflow.domain.log import ignored
from services.workflow.domain.order import (
    OrderDocument,
    Run,
    VersionDocument,
    order_bytes,
)
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from services.workflow.domain.versions import Link, linked, packed, secret_key_hash

_compressor = zstandard.ZstdCompressor(level=1)
_decompressor = zstandard.ZstdDecompressor()


def cause(uow: UnitOfWork) -> Cause:
    """Return what a rule may know of the message in hand."""
    envelope = uow.envelope
    return Cause(envelope.id, envelope.correlation_id, envelope.reply_to, size=len(envelope.data))


def keep(progress: Progress, existing: OrderDocument | None, uow: UnitOfWork) -> None:
    """Store what the rule has decided and send what it wants sent."""
    if progress.ended is None:
        _wait(progress, existing, uow)
    elif progress.is_unchanged and existing is not None:
        for entry in ignored(progress.ended, existing.id, cause(uow), now=uow.now):
            uow.save(entry)
        if existing.run is not None:
            uow.save(existing.model_copy(update={"run": None}))
        _answer(progress, progress.ended, order_bytes(existing.order), existing.version, uow)
    else:
        _conclude(progress, progress.ended, existing, uow)


def _wait(progress: Progress, existing: OrderDocument | None, uow: UnitOfWork) -> None:
    """Keep the run that waits, with a deadline; the answer comes when it ends."""
    document, run = progress.document, progress.document.run
    if run is not None and run.timer is None:
        timeout = RunTimedOut(order_id=document.id, run_id=run.id, step=run.position)
        run = run.model_copy(
            update={
                "timer": uow.send(timeout, not_before=run.deadline),
                "before": compressed(order_bytes(existing.order)) if existing is not None else None,
            }
        )
        document = document.model_copy(update={"run": run})
        uow.accept(document.id, shape=run.shape)
    uow.save(document)
    uow.send(*progress.messages)


def _conclude(
    progress: Progress, run: Run, existing: OrderDocument | None, uow: UnitOfWork
) -> None:
    """Announce what the run has done, and answer the command."""
    document, body = announce(progress, run, existing, uow)
    if progress.shape is not None:
        _answer(progress, run, body, document.version, uow)
        return
    status, shape = 201, run.shape
    if shape is not None:
        body = shaped(shape, body)
        status = 200
    elif not run.is_first:
        body = run_result(body, run.results, aborted=progress.aborted)
        status = 200
    _reply(run, status, body, document, document.version, shape, uow)


def _reply(  # noqa: PLR0913, PLR0917 - an answer has this many parts
    run: Run,
    status: int,
    body: bytes | None,
    document: OrderDocument,
    version: int,
    shape: str | None,
    uow: UnitOfWork,
) -> None:
    """Answer the command that began the run, which may have been an earlier one."""
    if run.command_id == uow.envelope.correlation_id and run.id == str(uow.envelope.id):
        uow.reply(status, body=body, order_id=document.id, version=version, shape=shape)
        return
    uow.answer(
        Reply(
            command_id=run.command_id,
            status_code=status,
            shape=shape,
            order_id=document.id,
            version=version,
        ),
        body=body,
        reply_to=run.reply_to,
    )


def announce(
    progress: Progress, run: Run, existing: OrderDocument | None, uow: UnitOfWork
) -> tuple[OrderDocument, bytes]:
    """Tell what the run has done and keep it as a version; return the order, also as JSON."""
    if run.timer is not None:
        uow.cancel(run.timer)
    document, told = conclude(
        progress,
        run,
        before=_announced(run, existing),
        now=uow.now,
        configuration=uow.configuration,
        seed=uow.envelope.id.hex,
    )
    links, history = linked(
        told,
        existing.history if existing is not None else None,
        before=_last_version(run, existing),
        now=uow.now,
        kept_days=uow.configuration.order_settings.version_retention_days,
    )
    hashed = secret_key_hash(document.order)
    document = document.model_copy(update={"history": history, "secret_key_hash": hashed})
    uow.save(document)
    for one, link in zip(told, links, strict=True):
        _tell(one, link, progress, run, uow)
    uow.send(*progress.messages)
    return document, told[-1].order


def _answer(progress: Progress, run: Run, order: bytes, version: int, uow: UnitOfWork) -> None:
    """Answer a change without a run: with the order as it is now, in the shape it asks for."""
    shape = progress.shape or ORDER
    body = shaped(shape, order) or None
    _reply(run, 200, body, progress.document, version, shape, uow)


def _tell(one: Told, link: Link, progress: Progress, run: Run, uow: UnitOfWork) -> None:
    event = one.event.carrying(one.order)
    try:
        uow.send(event)
    except TooLarge:
        # The order fits, since it was let in; what changed is in its versions too.
        event = one.event.model_copy(update={"changes": ()}).carrying(one.order)
        uow.send(event)
    whole = uow.staged.outgoing[-1].data  # sealed once: it is most of the work
    uow.save(
        VersionDocument(
            id=version_key(event.order_id, event.sequence),
            order_id=event.order_id,
            version=event.sequence,
            version_id=one.version_id,
            at=uow.now,
            type=event.type,
            command_id=run.command_id,
            status_code=201 if run.is_first else 200,
            is_aborted=progress.aborted,
            results=run.results,
            ignored_fields=run.ignored_fields,
            told=run.told,
            user=run.user,
            event=packed(whole, link.base),
            order_at=len(whole) - len(one.order) - 1,
            base=None if link.base is None else event.sequence - 1,
            expires=link.expires,
        )
    )


def _announced(run: Run, existing: OrderDocument | None) -> Order | None:
    """Return the order as the world last heard of it; None if it never did."""
    if run.is_first:
        return None
    if run.before is not None:
        return Order.model_validate_json(decompressed(run.before))
    return existing.order if existing is not None else None


def _last_version(run: Run, existing: OrderDocument | None) -> bytes | None:
    """Return the order as JSON as its last version has it; None if there is none."""
    if run.is_first or existing is None:
        return None
    return order_bytes(existing.order) if run.before is None else decompressed(run.before)


def compressed(data: bytes) -> bytes:
    """Return the bytes as a run keeps them."""
    return _compressor.compress(data)


def decompressed(data: bytes) -> bytes:
    """Read what `compressed` wrote."""
    unpacked: bytes = _decompressor.decompress(data)
    return unpacked
