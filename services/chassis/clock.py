"""The only clock. Rules take the time as an argument; tests hand in a clock they can move."""

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells the time in UTC, to the millisecond (what MongoDB keeps)."""

    def now(self) -> datetime:
        """Return the present instant."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


class MovableClock(Clock):
    """The real time plus whatever a test has added."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the moved instant."""
        return super().now() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move on; never back."""
        self._ahead += max(by, timedelta())
