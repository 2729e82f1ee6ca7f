from pathlib import Path

from services.commands.service import BackOff, shorten


class TestBackOff:
    def test_doubles_from_half_a_second_to_ten(self) -> None:
        back_off = BackOff()

        pauses = [back_off.after(seconds_of_life=1) for _ in range(7)]

        assert pauses == [0.5, 1, 2, 4, 8, 10, 10]

    def test_begins_anew_after_half_a_minute_of_life(self) -> None:
        back_off = BackOff()
        back_off.after(seconds_of_life=1)
        back_off.after(seconds_of_life=1)

        pauses = [back_off.after(seconds_of_life=31), back_off.after(seconds_of_life=1)]

        assert pauses == [0.5, 1]


class TestShorten:
    def test_keeps_what_was_said_and_lets_the_writer_go_on(self, tmp_path: Path) -> None:
        log = tmp_path / "api.log"
        writer = log.open("a")
        writer.write("a long story\n")
        writer.flush()

        shorten(log, most=5)
        writer.write("and\n")
        writer.close()
        shorten(log, most=5)

        assert (tmp_path / "api.log.1").read_text() == "a long story\n"
        assert log.read_text() == "and\n"
