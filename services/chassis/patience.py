"""Messages are seen through: handled, refused, parked for a retry, or dead, whatever MongoDB does.

A message that fails alone waits, with the later messages of its key behind it, and everything else
goes on. A batch that fails is handled again message by message.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from pymongo.errors import PyMongoError

from services.chassis import metrics
from services.chassis.batch import Overtaken
from services.chassis.dead_letters import Burial
from services.chassis.handling import Handled, Handling, Unsure
from services.chassis.inbox import Inbox, Mark
from services.chassis.logging import described
from services.chassis.mongo import is_duplicate, is_outage
from services.chassis.parking import Parking
from services.chassis.works import Line, Work

RETRY_DELAYS = (1.0, 3.0, 8.0, 16.0)
TOO_MANY_DEAD = 100
TOO_SOON = 600.0
_PATIENT_REDOS = 20

log = structlog.get_logger()


class TooManyFailures(Exception):
    """So many messages became dead letters that going on would hide a fault of the system."""


class Leaving(Exception):
    """The process stops; what is in hand is left to the next owner."""


class Patience:
    """Tries again what did not work out, for one consumer and under its lock."""

    def __init__(  # noqa: PLR0913 - what it takes to handle, to park and to bury
        self,
        *,
        handling: Handling,
        inbox: Inbox,
        burial: Burial,
        parking: Parking,
        settle: Callable[[Iterable[UUID]], None],
        retry_delays: Sequence[float],
    ) -> None:
        """Begin with nothing to try again.

        :param settle: is told of batches whose messages Kafka has acknowledged
        """
        self._handling = handling
        self._inbox = inbox
        self._burial = burial
        self._parking = parking
        self._settle = settle
        self._retry_delays = retry_delays
        self._deaths: deque[float] = deque(maxlen=TOO_MANY_DEAD)
        self._wake = asyncio.Event()
        self.leaving = False

    # -- one batch -----------------------------------------------------------------------------

    async def handle(self, batch: Sequence[Work]) -> None:
        """See the works through: handled, refused, parked or dead, whatever MongoDB does.

        :raises Leaving: if the process stops while MongoDB is away
        :raises TooManyFailures: when a fault of the system is likely
        """
        known: Mapping[UUID, Mark] | None = None
        pause = 0.1
        redone = 0
        while True:
            try:
                handled = await self._handling.handle(batch, known)
            except (Leaving, TooManyFailures):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the message waits or dies
                if is_outage(error):
                    log.warning("batch.waiting", error=type(error).__name__, messages=len(batch))
                    await self._wait(pause)
                    pause = min(pause * 2, 5.0)
                elif _is_conflict(error) and redone < _PATIENT_REDOS:
                    redone += 1
                    metrics.redone.inc()
                elif len(batch) > 1:
                    await self._one_by_one(batch)
                    return
                else:
                    await self._park(batch[0], error)
                    return
                known = await self._look_up(batch)
            else:
                self._settle(handled.settled)
                await self._set_aside(handled)
                return

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.leaving:
            raise Leaving

    async def _look_up(self, batch: Sequence[Work]) -> dict[UUID, Mark]:
        while True:
            try:
                return await self._inbox.handled(work.envelope.id for work in batch)
            except PyMongoError as error:
                if not is_outage(error):
                    raise
                await self._wait(0.5)

    async def _one_by_one(self, batch: Sequence[Work]) -> None:
        for work in batch:
            if work.line in self._parking:
                self._parking.queue([work])
            else:
                await self.handle([work])

    # -- what fails ----------------------------------------------------------------------------

    async def _set_aside(self, handled: Handled) -> None:
        """Park what failed; what stood behind it waits there, or goes on if it died at once."""
        for work, error in handled.failed:
            await self._park(work, error)
        self._parking.queue(work for work in handled.behind if work.line in self._parking)
        free = [work for work in handled.behind if work.line not in self._parking]
        if free:
            await self.handle(free)

    async def _park(self, work: Work, error: Exception) -> None:
        """Let a message that failed alone wait, or bury it after its last attempt."""
        work.attempts += 1
        work.fault = described(error)
        if work.attempts > len(self._retry_delays):
            await self.bury(work)
            return
        delay = self._retry_delays[work.attempts - 1]
        self._parking.park(work, due=asyncio.get_running_loop().time() + delay)
        metrics.retried.labels(work.name).inc()
        log.warning(
            "message.failed",
            message=work.name,
            message_id=work.envelope.id,
            key=work.envelope.key,
            correlation_id=work.envelope.correlation_id,
            attempt=work.attempts,
            retry_in=delay,
            error=type(error).__name__,
            exc_info=error,
        )
        self._wake.set()

    async def bury(self, work: Work) -> None:
        """Make a dead letter of a message.

        One that is read again after a stop was dead before and counts no more, so that each start
        gets further than the last.

        :raises TooManyFailures: when this is one too many in a short time
        """
        batch, is_new = await self._burial.bury(work)
        self._settle([batch])
        if not is_new:
            return
        metrics.dead.labels(work.name).inc()
        log.error(
            "message.dead",
            message=work.name,
            message_id=work.envelope.id,
            key=work.envelope.key,
            correlation_id=work.envelope.correlation_id,
            reason=work.fault,
            attempts=work.attempts,
        )
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        if len(self._deaths) == TOO_MANY_DEAD and now - self._deaths[0] < TOO_SOON:
            raise TooManyFailures(
                f"{TOO_MANY_DEAD} messages became dead letters in {now - self._deaths[0]:.0f} s"
            )

    # -- retries -------------------------------------------------------------------------------

    async def until_due(self) -> None:
        """Return when a line that waits may be tried again."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = self._parking.next_due()
            try:
                async with asyncio.timeout(None if due is None else max(0.0, due - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def retry_due(self) -> None:
        """Give the lines whose time has come their next attempt.

        :raises Leaving: as `handle`
        :raises TooManyFailures: as `handle`
        """
        for line in self._parking.due(asyncio.get_running_loop().time()):
            await self._retry(line)

    async def _retry(self, line: Line) -> None:
        first, *rest = waiting = self._parking.take(line)
        try:
            await self.handle([first])
            if line in self._parking:
                self._parking.queue(rest)
            elif rest:
                await self.handle(rest)
        except BaseException:
            # They hold back their offsets until somebody has handled them.
            self._parking.put_back(waiting, due=asyncio.get_running_loop().time())
            raise


def _is_conflict(error: Exception) -> bool:
    """Say whether handling the same again, with a look at the marks, may well succeed."""
    return isinstance(error, Overtaken | Unsure) or is_duplicate(error)
