"""How much is handled in one transaction."""

from itertools import pairwise

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.consumer import MAX_BYTES, portions
from services.chassis.kafka import Records

SIZES = st.lists(st.integers(0, MAX_BYTES * 3 // 2), max_size=8)


def records_of(sizes: list[int]) -> Records:
    # One text for all of them: what counts is how long each is.
    whole = memoryview(bytes(MAX_BYTES * 2))
    return tuple(
        ConsumerRecord("t", 0, offset, 0, 0, None, whole[:size], None, 0, 0, ())
        for offset, size in enumerate(sizes)
    )


@given(SIZES)
def test_every_record_is_handled_once_and_in_its_order(sizes: list[int]) -> None:
    records = records_of(sizes)

    found = list(portions(records))

    assert [record.offset for some in found for record in some] == list(range(len(sizes)))


@given(SIZES)
def test_no_transaction_has_more_than_its_bytes_but_for_one_record_alone(sizes: list[int]) -> None:
    records = records_of(sizes)

    found = list(portions(records))

    assert all(
        len(some) == 1 or sum(sizes[one.offset] for one in some) <= MAX_BYTES for some in found
    )


@given(SIZES)
def test_no_transaction_leaves_out_what_it_had_room_for(sizes: list[int]) -> None:
    records = records_of(sizes)

    found = list(portions(records))

    assert all(
        sum(sizes[one.offset] for one in some) + sizes[following[0].offset] > MAX_BYTES
        for some, following in pairwise(found)
    )
