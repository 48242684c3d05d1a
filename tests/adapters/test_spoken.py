"""A provider with several formats is asked in the caller's own where its usual one lacks what is asked."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters.spoken import spoken
from services.catalog.reading import read
from services.catalog.schema import Facts, Target
from services.chat import intake
from services.responses import intake as responses

ROWS = {row.id: row for row in read().providers}
HI = {"role": "user", "content": "hi"}
AUDIO = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]}
FUNCTION = {"name": "f"}


def target(provider: str, efforts: Any = None) -> Target:
    return Target(ROWS[provider], ROWS[provider].dialect, "m", "m", Facts(efforts=efforts))


def format_of(aim: Target, **fields: Any) -> str:
    call = intake.read(json.dumps({"model": "m", "messages": [HI], **fields}).encode()).call
    return spoken(call, aim).dialect


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"modalities": ["text", "audio"]},
        {"moderation": {"model": "x"}},
        {"messages": [AUDIO]},
        {"max_tokens": 5},
    ],
)
@pytest.mark.parametrize("provider", ["openai", "xai"])
def test_what_only_chat_has_is_asked_of_chat(provider, fields):
    """Of any model: the usual format would refuse it."""
    assert format_of(target(provider), **fields) == "openai_chat"
    assert format_of(target(provider)) == "openai_responses"


@pytest.mark.parametrize(
    "fields", [{"stop": "x"}, {"seed": 1}, {"presence_penalty": 1}, {"frequency_penalty": 1}, {"logit_bias": {"1": 1}}]
)
def test_what_the_usual_format_would_lose_is_asked_of_chat_where_the_model_takes_it(fields):
    """Models that reason refuse these; for them a loss that is told is better than no answer."""
    assert format_of(target("openai", []), **fields) == "openai_chat"
    assert format_of(target("openai", ["low"]), **fields) == "openai_responses"
    assert format_of(target("openai"), **fields) == "openai_responses"


def test_nobody_is_asked_in_a_format_that_nobody_said_they_speak():
    """Neither providers without it, nor for callers of another format, nor with a body that is not chat's own."""
    assert format_of(target("anthropic"), n=2) == "anthropic_messages"
    assert format_of(target("mistral"), n=2) == "openai_chat"
    assert format_of(target("openai"), n=2, functions=[FUNCTION]) == "openai_responses"
    call = responses.read(json.dumps({"model": "m", "input": "hi", "n": 2}).encode())
    assert spoken(call, target("openai")).dialect == "openai_responses"


def test_only_the_format_changes():
    """The address is that of the format."""
    aim = target("openai")
    call = intake.read(json.dumps({"model": "m", "messages": [HI], "n": 2}).encode()).call
    assert spoken(call, aim) == msgspec.structs.replace(aim, dialect="openai_chat")
