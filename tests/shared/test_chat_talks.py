"""A long agent conversation over the chat surface, moved between providers every few turns and back to the first."""

from itertools import cycle, islice
from typing import Any

import pytest

from services.vocabulary.seal import unseal
from tests.shared.chat_kit import TIME, WEATHER, Chat, seals
from tests.talking import Upstream

TURNS = 40
STAY = 4  # turns at a provider

HOME = ["anthropic/claude-opus-4-8", "gemini/gemini-3-pro-preview"]
ROUND = [
    "vertex/gemini-3-pro-preview",
    "mistral/magistral-medium-latest",
    "xai/grok-4",
    "cohere/command-a-reasoning-08-2025",
    "huggingface/openai/gpt-oss-120b",
    "azure/claude-sonnet-4-5",
    "cloudflare/@cf/meta/llama-4-scout-17b-16e-instruct",
]


@pytest.mark.parametrize("home", HOME)
def test_forty_turns_among_providers_and_home_again(sdk, upstream: Upstream, home: str):
    """No provider refuses anything, all results arrive; back home its own proofs go back byte for byte, no other does."""
    others = cycle([model for model in ROUND if model.partition("/")[0] != home.partition("/")[0]])
    models = [home, *islice(others, TURNS // STAY - 2), home]
    chat = Chat(sdk, home, tools=[WEATHER, TIME], reasoning_effort="high")
    for turn in range(TURNS):
        model, stream = models[turn // STAY], bool(turn % 2)
        chat.ask(model)
        if turn % 2:
            answer = chat.say(f"THINK And now {turn}?", stream=stream)
            assert f"And now {turn}?" in str(answer.choices[0].message.content)
            continue
        asked = chat.say(f"THINK PARALLEL get_weather and get_time in Oslo {turn}", stream=stream)
        assert len(asked.choices[0].message.tool_calls or []) == 2, model
        told = chat.report(asked, f"result {turn}", stream=not stream)
        assert f"result {turn} 1" in str(told.choices[0].message.content), model
    mine, foreign = _own(chat.messages[:-1], home)
    assert mine
    assert [text for text in upstream.strings() if text in mine] == mine
    assert not [text for text in upstream.strings() if text in foreign]


def _own(messages: list[dict[str, Any]], home: str) -> tuple[list[str], list[str]]:
    """Proofs of the home provider, and of all others."""
    details = [detail for message in messages for detail in message.get("reasoning_details") or []]
    made = [unseal(detail["data"]) for detail in details if detail.get("data")]
    assert [seal.blob for seal in made if seal.blob] == seals(messages)
    provider = home.partition("/")[0]
    mine = [seal.blob for seal in made if seal.blob and seal.provider == provider]
    return mine, [seal.blob for seal in made if seal.blob and seal.provider != provider]
