"""What is settled before any dialect writes a call: what must not be seen elsewhere, and what nobody else can read."""

import json
from typing import Any

import pytest

from services.adapters import carry
from services.catalog.schema import Facts, Provider, Target
from services.errors import InvalidRequest
from services.messages import intake as messages
from services.responses import intake
from services.vocabulary.event import Loss

TARGET = Target(Provider("anthropic", "Anthropic", "anthropic_messages", ""), "anthropic_messages", "m", "m")
HI = {"role": "user", "content": "hi"}


def losses(*items: Any) -> list[Loss]:
    """What is lost of these items on the way to another format than their own."""
    call = intake.read(json.dumps({"model": "anthropic/m", "input": [HI, *items, HI]}).encode())
    return carry.prepare(call, TARGET, TARGET.dialect, "scope")[1]


def test_a_reference_to_reasoning_is_dropped():
    """SDKs that take it for stored send its id alone; the answer can do without it."""
    assert [(loss.param, loss.action) for loss in losses({"type": "item_reference", "id": "rs_1"})] == [
        ("input[1]", "dropped")
    ]


@pytest.mark.parametrize("id", ["msg_1", "fc_1", 5, None])
def test_a_reference_to_anything_else_is_refused_by_name(id):
    """Without it the conversation would be another one."""
    with pytest.raises(InvalidRequest, match="send the item itself") as caught:
        losses({"type": "item_reference", "id": id})
    assert caught.value.param == "input[1].id"


def test_receipts_are_dropped_and_items_that_matter_are_refused():
    """What a search found stands in the answer; the output of a computer does not."""
    assert [loss.param for loss in losses({"type": "web_search_call", "id": "ws_1"})] == ["input[1]"]
    with pytest.raises(InvalidRequest) as caught:
        losses({"type": "computer_call", "id": "c"})
    assert caught.value.param == "input[1].type"


def test_phases_are_dropped_with_a_word():
    """Only OpenAI's models tell commentary from answers."""
    said = {"role": "assistant", "content": "Looking.", "phase": "commentary"}
    assert [(loss.param, loss.action) for loss in losses(said)] == [("input[1].phase", "dropped")]


def test_an_answer_is_limited_to_what_is_left_of_a_small_context():
    """Clients of the Messages API ask for as much from every model; nothing is counted where that fits easily."""
    body = {"model": "m", "max_tokens": 32_000, "messages": [{"role": "user", "content": "word " * 10_000}]}
    call = messages.read(json.dumps(body).encode(), {}).call
    for context, most in ((32_768, None), (64_000, 32_000), (200_000, 32_000), (8_000, 32_000)):
        target = Target(Provider("p", "P", "openai_chat", ""), "openai_chat", "m", "m", Facts(context=context))
        prepared, lost = carry.prepare(call, target, target.dialect, "scope")
        assert prepared.max_output_tokens is not None
        assert [loss.param for loss in lost] == ([] if most else ["max_output_tokens"])
        assert prepared.max_output_tokens == (most or prepared.max_output_tokens)
        assert most or 16_000 < prepared.max_output_tokens < 22_768
