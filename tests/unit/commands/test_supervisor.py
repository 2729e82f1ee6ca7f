from services.commands.supervisor import BackOff


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
