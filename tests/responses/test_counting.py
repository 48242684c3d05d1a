"""`POST /v1/responses/input_tokens`: the provider's count, or an estimate that says so."""

import msgspec
import pytest

from services.catalog.schema import Provider, Target
from services.errors import InvalidRequest
from services.ports import Count, Plan
from services.responses.counting import Counting
from services.responses.keeping import State
from services.vocabulary.call import Call
from services.vocabulary.caller import Caller
from tests.responses.kit import call_of

TARGET = Target(Provider("openai", "OpenAI", "openai_responses", ""), "openai_responses", "m", "m")


class Router:
    async def plan(self, call: Call, caller: Caller) -> Plan:
        return Plan([TARGET])


class Counter:
    def __init__(self, count: Count | Exception) -> None:
        self._count = count

    async def count(self, call: Call, target: Target) -> Count:
        if isinstance(self._count, Exception):
            raise self._count
        return self._count


@pytest.mark.parametrize("estimated", [True, False])
async def test_a_count_has_openais_shape(estimated: bool):
    """With one field more: whether anybody counted."""
    counting = Counting(Router(), Counter(Count(17, estimated)))
    found = await counting.count(call_of(), Caller("k"), State())
    assert msgspec.json.decode(msgspec.json.encode(found)) == {
        "object": "response.input_tokens",
        "input_tokens": 17,
        "estimated": estimated,
    }


async def test_a_refusal_names_the_clients_own_item():
    """Not its place behind the items that are continued."""
    counting = Counting(Router(), Counter(InvalidRequest("no", param="input[3].content")))
    with pytest.raises(InvalidRequest) as caught:
        await counting.count(call_of(), Caller("k"), State(context=2))
    assert caught.value.param == "input[1].content"
