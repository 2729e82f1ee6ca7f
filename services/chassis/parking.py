"""Where messages wait that failed alone, with the later messages of their lines behind them."""

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from services.chassis.works import Line, Work


@dataclass(slots=True)
class _Waiting:
    works: deque[Work] = field(default_factory=deque)
    due: float = 0.0


class Parking:
    """The lines that wait. Whatever stands here holds back the offset of its partition."""

    def __init__(self) -> None:
        self._lines: dict[Line, _Waiting] = {}

    def __len__(self) -> int:
        """How many messages wait, for their own retry or behind another."""
        return sum(len(waiting.works) for waiting in self._lines.values())

    def __contains__(self, line: Line) -> bool:
        return line in self._lines

    def park(self, work: Work, *, due: float) -> None:
        """Let a message that failed wait at the head of its line."""
        waiting = self._lines.setdefault(work.line, _Waiting())
        waiting.works.appendleft(work)
        waiting.due = due

    def queue(self, works: Iterable[Work]) -> None:
        """Let messages wait behind the one that holds up their line."""
        for work in works:
            self._lines[work.line].works.append(work)

    def next_due(self) -> float | None:
        """Return when the next line may be tried again, None if none waits."""
        return min((waiting.due for waiting in self._lines.values()), default=None)

    def due(self, now: float) -> list[Line]:
        """Return the lines whose time has come."""
        return [line for line, waiting in self._lines.items() if waiting.due <= now]

    def take(self, line: Line) -> deque[Work]:
        """Return a line's messages, which then wait no longer."""
        return self._lines.pop(line).works

    def put_back(self, works: Iterable[Work], *, due: float) -> None:
        """Undo `take`: the messages stand in front of what has come meanwhile."""
        for work in reversed(list(works)):
            self.park(work, due=due)

    def leave(self, partitions: Collection[TopicPartition]) -> None:
        """Forget what was read from these partitions: their next owner reads it again."""
        for line, waiting in list(self._lines.items()):
            waiting.works = deque(w for w in waiting.works if w.partition not in partitions)
            if not waiting.works:
                del self._lines[line]

    def hold_back(self, offsets: dict[TopicPartition, int]) -> None:
        """Lower the offsets to the first message that waits in each partition."""
        for waiting in self._lines.values():
            for work in waiting.works:
                if work.partition in offsets:
                    offsets[work.partition] = min(offsets[work.partition], work.record.offset)
