"""Many answers become one (decided 2.4), and bodies that are lists are read entry by entry."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages.replies import left_out, number, partly
from contracts.problems import CATALOGUE, FieldProblem, problem
from services.api.domain import Batch, Result
from services.api.entrypoints.batch import within

SLUGS = st.sampled_from(sorted(CATALOGUE))


def done(**members: object) -> Result:
    return Result(201, **members)  # type: ignore[arg-type] # members of a result


def refused(slug: str, **members: object) -> Result:
    found = problem(slug, **members)  # type: ignore[arg-type] # members of a problem
    return Result(found.status, problem=found)


def of_single_commands(*results: Result) -> Result:
    return Batch("workflow", [[place] for place in range(len(results))], "done").result(results)


class TestTheAnswerOfABatch:
    def test_is_204_when_all_is_done(self) -> None:
        answer = of_single_commands(done(), done())

        assert (answer.status, answer.problem, answer.shape) == (204, None, None)

    def test_skips_what_exists(self) -> None:
        answer = of_single_commands(refused("duplicate-order-id"), done())

        assert (answer.status, left_out(answer.shape)) == (204, {0: "duplicate-order-id"})

    def test_names_what_was_not_done_by_its_place(self) -> None:
        fault = FieldProblem(path="status", message="is odd")

        answer = of_single_commands(
            done(),
            refused("order-locked", retry_after=2),
            refused("duplicate-order-id"),
            refused("validation-failed", errors=(fault,)),
        )

        assert answer.problem is not None
        assert (answer.status, answer.problem.slug) == (409, "batch-incomplete")
        assert answer.problem.detail.startswith("1 of 4 were done")
        assert [one.path for one in answer.problem.errors or ()] == ["[1]", "[3].status"]
        assert answer.problem.retry_after == 2
        assert left_out(answer.shape) == {2: "duplicate-order-id"}

    def test_names_all_that_a_lost_command_stood_for(self) -> None:
        batch = Batch("workflow", [[0, 3], [1, 2]], "done")

        answer = batch.result([done(shape=partly({3: "too-large"})), refused("command-failed")])

        assert answer.problem is not None
        assert [one.path for one in answer.problem.errors or ()] == ["[1]", "[2]", "[3]"]
        assert answer.problem.detail.startswith("1 of 4 were done")

    def test_is_the_sum_where_numbers_are_asked_for(self) -> None:
        batch = Batch("workflow", [[0], [1], [2]], "sum")

        answer = batch.result(
            [done(shape=number(2)), refused("order-locked"), done(shape=number(3))]
        )

        assert (answer.status, answer.body, answer.problem) == (200, b"5", None)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 999), SLUGS))
def test_what_was_left_out_can_be_read_again(entries: dict[int, str]) -> None:
    assert left_out(partly(entries)) == entries


def test_other_shapes_leave_nothing_out() -> None:
    assert [left_out(shape) for shape in (None, "empty", number(3))] == [{}, {}, {}]


def test_faults_of_an_entry_begin_with_its_place() -> None:
    faults = [FieldProblem(path=path, message="?") for path in ("$", "orderForm.total")]

    assert [one.path for one in within(3, faults)] == ["[3]", "[3].orderForm.total"]
