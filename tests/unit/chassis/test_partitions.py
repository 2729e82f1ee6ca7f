"""On which partition the messages of a key are."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.kafka import chosen


@given(st.binary(max_size=64), st.integers(1, 64))
def test_a_key_is_where_other_clients_of_kafka_look_for_it(key: bytes, count: int) -> None:
    partitions = list(range(count))

    found = chosen(key, partitions)

    assert found == DefaultPartitioner()(key, partitions, partitions)
