import json

from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.replies import Reply
from contracts.problems import problem
from services.api.queries.replies import read

words = st.text() | st.sampled_from(['"body":', ',"body":', '","body":{'])


class TestReply:
    @given(words, st.dictionaries(words, words))
    def test_is_read_with_its_body_as_it_is(self, order_id: str, body: dict[str, str]) -> None:
        raw = json.dumps(body).encode()
        reply = Reply(command_id="1", status_code=201, order_id=order_id, version=3)

        result = read(reply.with_body(raw))

        assert result.body == raw
        assert (result.status, result.order_id, result.version) == (201, order_id, 3)

    @given(words)
    def test_is_read_without_a_body(self, detail: str) -> None:
        refused = problem("order-locked", detail, retry_after=1)

        result = read(Reply(command_id="1", status_code=409, problem=refused).data())

        assert result.body is None
        assert result.problem == refused
