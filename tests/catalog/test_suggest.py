"""Names for a wrong one."""

import time

import pytest

from services.catalog.catalog import load
from services.catalog.suggest import Suggestions
from services.errors import ModelNotFound


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("gpt5.4", "gpt-5.4"),
        ("GPT-5.4-MINI", "gpt-5.4-mini"),
        ("claude-opus-46", "claude-opus-4-6"),
        ("claude-4-6-opus", "claude-opus-4-6"),
        ("gemini-2.5-por", "gemini-2.5-pro"),
        ("openai/gpt-5.44", "openai/gpt-5.4"),
        ("nobody/gpt-5.4", "gpt-5.4"),
        ("sandbox/ecko", "sandbox/echo"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(wrong: str, right: str):
    """Case, punctuation and a slip do not matter."""
    with pytest.raises(ModelNotFound, match=f"`{right}`"):
        load().model(wrong)


def test_nonsense_has_no_suggestions():
    """Nothing alike, nothing said."""
    assert Suggestions(["gpt-5.4", "o1"]).near("zzzzzz") == []
    assert Suggestions([]).near("a") == []
    assert Suggestions(["a"]).near("") == []


def test_a_wrong_name_costs_little():
    """Whoever sends wrong names keeps nobody busy: with 2,000 names that all look like it, under 3 ms each."""
    index = Suggestions([f"model-number-{number}-of-many-alike" for number in range(2000)])

    def cost(number: int) -> float:
        started = time.thread_time()
        index.near(f"model-numbr-{number}-of-many-alike-and-a-long-tail-that-nobody-knows" * 3)
        return time.thread_time() - started

    assert min(map(cost, range(50))) < 0.003
