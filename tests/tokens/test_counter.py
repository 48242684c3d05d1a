"""The provider's count where it has one, else the estimate, flagged."""

import asyncio

import pytest

from services.catalog.schema import Provider, Target
from services.errors import InvalidRequest, ProviderFailed
from services.ports import Count
from services.tokens.counter import Counter
from services.tokens.estimate import prompt_tokens
from services.vocabulary.call import Call, Message, Text

pytestmark = pytest.mark.virtual_time

CALL = Call(model="anthropic/claude-opus-4-8", items=[Message("user", [Text("Count me.")])])
TARGET = Target(
    provider=Provider(id="anthropic", name="Anthropic", dialect="anthropic_messages", base_url="http://x"),
    dialect="anthropic_messages",
    model="claude-opus-4-8",
    upstream="claude-opus-4-8",
)


class Provided:
    """A provider that counts, cannot, refuses or takes for ever."""

    def __init__(self, answer: int | Exception | None) -> None:
        self.answer = answer

    async def count(self, call: Call, target: Target) -> int | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer == -1:
            await asyncio.sleep(10)
        return self.answer


async def test_a_provider_that_counts_is_believed():
    """Its number is the truth."""
    assert await Counter(Provided(17)).count(CALL, TARGET) == Count(17)


@pytest.mark.parametrize("answer", [None, ProviderFailed("down"), -1])
async def test_without_a_count_there_is_an_estimate_that_says_so(answer: int | Exception | None):
    """A provider that cannot count, is out of reach, or takes too long."""
    counted = await Counter(Provided(answer), patience_s=0.01).count(CALL, TARGET)
    assert counted == Count(prompt_tokens(CALL, "claude-opus-4-8"), estimated=True)


async def test_what_a_provider_refuses_is_refused():
    """The request would fail in the same way."""
    with pytest.raises(InvalidRequest):
        await Counter(Provided(InvalidRequest("no such model", param="model"))).count(CALL, TARGET)
