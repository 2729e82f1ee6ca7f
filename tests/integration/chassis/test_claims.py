"""What a process writes of calls touches its own alone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from services.chassis.claims import Claims
from services.chassis.clock import Clock
from services.chassis.mongo import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


async def test_gives_back_what_is_ours_and_leaves_alone_what_others_have_taken_over(
    mongo: Database,
) -> None:
    claims, ours, theirs = Claims(mongo, "given", Clock()), uuid4(), uuid4()
    taken = {"owner": "another/1/ab", "at": NOON}
    await mongo["given_calls"].insert_many(
        [{"_id": ours, "owner": claims.owner, "at": NOON}, {"_id": theirs} | taken]
    )

    await claims.give_back([ours, theirs], LATER)

    found = {one.pop("_id"): one for one in await mongo["given_calls"].find().to_list(None)}
    assert found == {ours: {"owner": None, "at": LATER}, theirs: taken}


async def test_is_behind_in_a_lane_of_which_an_earlier_call_is_not_here(mongo: Database) -> None:
    claims = Claims(mongo, "behind", Clock())
    numbers = {"a": [1, 2], "b": [7], "c": [1]}
    await mongo["behind_calls"].insert_many(
        [{"_id": uuid4(), "lane": lane, "n": n} for lane, all_ in numbers.items() for n in all_]
    )

    nobody_has = await claims.behind({"a": 2, "b": 7}, lambda _lane, _number: False)
    we_have = await claims.behind({"a": 2, "b": 7}, lambda lane, number: (lane, number) == ("a", 1))

    assert nobody_has == {"a"}
    assert we_have == set()
