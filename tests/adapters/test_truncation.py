"""`truncation: auto`: whole turns go from the middle, calls stay with their results, and the answer says so."""

import pytest

from services.adapters import carry
from services.adapters.truncation import truncated
from services.catalog.schema import Facts, Provider, Target
from services.errors import InvalidRequest
from services.vocabulary.call import Call, Item, Message, Text, ToolCall, ToolResult

PROVIDER = Provider("anthropic", "Anthropic", "anthropic_messages", "")


def target(context: int | None) -> Target:
    return Target(PROVIDER, "anthropic_messages", "m", "m", facts=Facts(context=context))


def said(role: str, text: str) -> Message:
    return Message(role, [Text(f"{text} " + "word " * 100)])  # type: ignore[arg-type]


def turn(number: int) -> list[Item]:
    call = ToolCall(f"c{number}", "f", "{}")
    return [said("user", f"question {number}"), call, ToolResult(f"c{number}", [Text("7")]), said("assistant", "yes")]


def conversation(turns: int) -> Call:
    items = [said("developer", "rules"), *[item for number in range(turns) for item in turn(number)]]
    return Call(model="m", items=items, truncation="auto")


def questions(call: Call) -> list[str]:
    texts = [item.content[0].text[:10] for item in call.items if isinstance(item, Message) and item.role == "user"]  # type: ignore[union-attr]
    return [text[-1] for text in texts]


def test_the_middle_goes_first():
    """The first turn, the newest ones and the rules stay."""
    kept, losses = truncated(conversation(8), target(2000))
    assert questions(kept)[0] == "0"
    assert questions(kept)[-1] == "7"
    assert questions(kept) == ["0", *[str(n) for n in range(8)][-(len(questions(kept)) - 1) :]]
    assert 2 <= len(questions(kept)) < 8
    assert [(loss.param, loss.action) for loss in losses] == [("truncation", "emulated")]
    calls = [item.call_id for item in kept.items if isinstance(item, ToolCall)]
    assert calls == [item.call_id for item in kept.items if isinstance(item, ToolResult)]
    assert isinstance(kept.items[0], Message)
    assert kept.items[0].role == "developer"


def test_what_is_said_between_a_call_and_its_result_tears_nothing():
    """It goes with both of them, or stays."""
    call = conversation(8)
    call.items[2:2] = [ToolCall("early", "f", "{}"), said("user", "question 0"), ToolResult("early", [Text("7")])]
    kept, _ = truncated(call, target(2000))
    assert len(kept.items) < len(call.items)
    calls = [item.call_id for item in kept.items if isinstance(item, ToolCall)]
    assert calls == [item.call_id for item in kept.items if isinstance(item, ToolResult)]


@pytest.mark.parametrize("context", [None, 1_000_000])
def test_what_fits_stays_whole(context: int | None):
    """And no number is told."""
    call = conversation(4)
    kept, losses = truncated(call, target(context))
    assert kept.items == call.items
    assert all("Here" not in loss.detail for loss in losses)


def test_ends_that_are_too_long_are_refused():
    """Cutting a turn in two would change what was said."""
    with pytest.raises(InvalidRequest) as raised:
        truncated(conversation(6), target(300))
    assert raised.value.param == "input"


def test_it_happens_on_the_way_to_every_foreign_format():
    """And the dialect hears nothing of truncation any more."""
    call, losses = carry.prepare(conversation(8), target(2000), "anthropic_messages", "s")
    assert len(call.items) < 33
    assert call.truncation is None
    assert [loss.param for loss in losses] == ["truncation"]
