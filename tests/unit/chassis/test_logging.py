import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import BaseModel, ValidationError

from contracts.message import Message
from contracts.model import Model
from services.chassis.document import Document
from services.chassis.logging import described
from services.chassis.unit_of_work import Missing

SECRET = "kari@example.no"


def caught(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as same:
        return same


class TestDescribed:
    @pytest.mark.parametrize("error", [ValueError(SECRET), KeyError(SECRET), OSError(2, SECRET)])
    def test_says_what_and_where_but_never_the_text(self, error: Exception) -> None:
        said = described(caught(error))

        assert said.startswith(type(error).__name__ + " in caught (")
        assert "test_logging.py:" in said
        assert SECRET not in said

    @pytest.mark.parametrize("error", [Missing("Order"), KafkaConnectionError("no broker")])
    def test_keeps_a_text_that_is_ours_or_kafkas(self, error: Exception) -> None:
        assert str(error) in described(caught(error))


class TestModels:
    @pytest.mark.parametrize("model", [Model, Message, Document])
    def test_never_quote_what_did_not_fit(self, model: type[BaseModel]) -> None:
        class Strict(model):  # type: ignore[misc, valid-type] # the base varies
            amount: int

        with pytest.raises(ValidationError) as caught:
            Strict.model_validate({"_id": "1", "amount": SECRET})

        assert SECRET not in str(caught.value)
