"""Long conversations with signed reasoning, as agents hold them: with one provider, and moved between two in the middle."""

from itertools import combinations

import pytest
from openai.types.responses import Response, ResponseReasoningItem

from tests.talking import MODELS, SEALED, TIME, WEATHER, Talk, Upstream, calls, lost, seals

every = pytest.mark.parametrize("model", MODELS)
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

OPTIONS = {**SEALED, "tools": [WEATHER, TIME]}

# What seals its reasoning; the others show it or keep it.
SEALING = (
    "openai/",
    "anthropic/",
    "azure/gpt",
    "azure/claude",
    "vertex/gemini",
    "vertex/claude",
    "gemini/",
    "bedrock/",
    "xai/",
)

# One model for every way of reasoning and every credential: all pairs of all models would only take longer.
MOVED = [
    model
    for model in MODELS
    if model
    not in (
        "anthropic/claude-sonnet-4-5",
        "vertex/gemini-2.5-pro",
        "bedrock/openai.gpt-oss-120b-1:0",
        "vertex/meta/llama-4-maverick",
        "azure/grok-4",
    )
]


@every
@both
def test_sealed_reasoning_goes_back_unchanged(sdk, upstream, model, stream):
    """Six requests with tools in between: every seal a provider gave returns to it, byte for byte and in order."""
    talk = Talk(sdk, **OPTIONS)
    asked = talk.say(model, "THINK PARALLEL get_weather and get_time in Oslo", stream=stream)
    assert len(calls(asked)) == 2
    assert "result 1" in talk.report(model, asked, "result", stream=not stream).output_text
    assert "And then" in talk.say(model, "THINK And then", stream=stream).output_text
    asked = talk.say(model, "THINK TOOLPLEASE in Rome", stream=not stream)
    assert "more 0" in talk.report(model, asked, "more", stream=stream).output_text
    answer = talk.say(model, "Bye", stream=stream)
    given = seals(talk.sent)
    assert len(given) >= 3 if model.startswith(SEALING) else not given
    assert [text for text in upstream.strings() if text in given] == given
    accounted_for(talk, answer, upstream)


@pytest.mark.parametrize(("one", "other"), list(combinations(MOVED, 2)))
def test_a_conversation_moves_between_providers_and_back(sdk, upstream, one, other):
    """Between the calls and their results, after thought, and back: nothing is refused, and what is lost is said."""
    talk = Talk(sdk, **OPTIONS)
    asked = talk.say(one, "THINK PARALLEL get_weather and get_time in Oslo")
    answer = talk.report(other, asked, "result", stream=True)
    assert "result 1" in answer.output_text
    accounted_for(talk, answer, upstream)
    asked = talk.say(other, "THINK TOOLPLEASE in Rome", stream=True)
    accounted_for(talk, asked, upstream)
    answer = talk.report(one, asked, "more")
    assert "more 0" in answer.output_text
    accounted_for(talk, answer, upstream)
    answer = talk.say(other, "And then")
    assert "And then" in answer.output_text
    accounted_for(talk, answer, upstream)


def accounted_for(talk: Talk, answer: Response, upstream: Upstream) -> None:
    """Every reasoning item that was sent reached the provider, by its seal or its text, or is reported as lost.

    Gemini signs after the text what it thought before it: there the next seal speaks for a readable item too.
    """
    strings, losses = upstream.strings(), lost(answer)
    reasoning = [(index, item) for index, item in enumerate(talk.sent) if isinstance(item, ResponseReasoningItem)]
    for place, (index, item) in enumerate(reasoning):
        if f"input[{index}]" not in losses:
            proofs = seals([each for _, each in reasoning[place : place + 2]])[:1]
            readable = [part.text for part in (*item.summary, *(item.content or ()))]
            assert any(text in string for text in (*proofs, *readable) for string in strings), index
