from aiokafka import ConsumerRecord, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from contracts.message import Envelope
from services.chassis.clock import Clock
from services.chassis.parking import Parking
from services.chassis.works import Work, id_of


def a_work(key: str, offset: int, partition: int = 0) -> Work:
    id_ = id_of("t", partition, offset)
    record = ConsumerRecord("t", partition, offset, 0, 0, None, b"", None, 0, 0, ())
    envelope = Envelope(id_, "x", "t", key, b"", Clock().now(), str(id_))
    return Work(record, envelope)


def offsets(parking: Parking, line: tuple[str, str]) -> list[int]:
    return [work.record.offset for work in parking.take(line)]


class TestParking:
    def test_keeps_a_line_in_its_order_through_retries(self) -> None:
        parking = Parking()
        parking.park(a_work("a", 1), due=5.0)
        parking.queue([a_work("a", 2), a_work("a", 3)])

        first, *rest = parking.take(("t", "a"))
        parking.park(first, due=9.0)
        parking.queue(rest)

        assert parking.next_due() == 9.0
        assert offsets(parking, ("t", "a")) == [1, 2, 3]

    def test_loses_nothing_of_a_retry_that_broke(self) -> None:
        parking = Parking()
        parking.park(a_work("a", 1), due=5.0)
        parking.queue([a_work("a", 2)])

        taken = parking.take(("t", "a"))
        parking.park(a_work("a", 7), due=6.0)
        parking.put_back(taken, due=8.0)

        assert parking.next_due() == 8.0
        assert offsets(parking, ("t", "a")) == [1, 2, 7]

    def test_says_whose_time_has_come(self) -> None:
        parking = Parking()
        nothing = parking.next_due()
        for key, due in (("a", 5.0), ("b", 3.0), ("c", 9.0)):
            parking.park(a_work(key, 1), due=due)

        assert (nothing, parking.next_due()) == (None, 3.0)
        assert parking.due(2.9) == []
        assert sorted(parking.due(5.0)) == [("t", "a"), ("t", "b")]

    def test_forgets_what_somebody_else_will_read_again(self) -> None:
        parking = Parking()
        parking.park(a_work("a", 1, partition=0), due=5.0)
        parking.park(a_work("b", 1, partition=1), due=5.0)
        parking.queue([a_work("b", 2, partition=0), a_work("b", 3, partition=1)])

        parking.leave({TopicPartition("t", 0)})

        assert (("t", "a") in parking, ("t", "b") in parking, len(parking)) == (False, True, 2)
        assert offsets(parking, ("t", "b")) == [1, 3]

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), min_size=1))
    def test_holds_back_every_offset_that_waits(self, waiting: list[tuple[int, int]]) -> None:
        parking = Parking()
        for number, (partition, offset) in enumerate(waiting):
            parking.park(a_work(str(number), offset, partition), due=0.0)
        positions = {TopicPartition("t", partition): 100 for partition in range(4)}

        parking.hold_back(positions)

        assert positions == {
            ("t", partition): min([100, *(offset for of, offset in waiting if of == partition)])
            for partition in range(4)
        }

    def test_names_no_offset_of_a_partition_of_which_nothing_was_handled(self) -> None:
        parking = Parking()
        parking.park(a_work("a", 1, partition=1), due=0.0)
        positions = {TopicPartition("t", 0): 100}

        parking.hold_back(positions)

        assert positions == {TopicPartition("t", 0): 100}
