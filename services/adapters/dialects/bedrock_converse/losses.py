"""What of a call Converse has no place for, whatever the model."""

from typing import Literal

from services.vocabulary.call import Call
from services.vocabulary.event import Loss


class Losses:
    """Collects losses while a request is written."""

    def __init__(self) -> None:
        self.all: list[Loss] = []

    def add(self, param: str, action: Literal["dropped", "emulated", "changed", "moved"], detail: str) -> None:
        """Records one."""
        self.all.append(Loss(param, action, detail))


def fields_without_place(call: Call, losses: Losses) -> None:
    """Reports the fields that no Converse request carries. What only says the default is no loss."""
    for param, value, default in (
        ("presence_penalty", call.presence_penalty, 0),
        ("frequency_penalty", call.frequency_penalty, 0),
        ("seed", call.seed, None),
        ("text.verbosity", call.verbosity, "medium"),
        ("top_logprobs", call.top_logprobs, 0),
        ("max_tool_calls", call.max_tool_calls, None),
        ("truncation", call.truncation, "disabled"),
        ("user", call.user, None),
        ("safety_identifier", call.safety_identifier, None),
        ("prompt_cache_key", call.prompt_cache_key, None),
        ("prompt_cache_retention", call.prompt_cache_retention, "in_memory"),
    ):
        if value is not None and value != default:
            losses.add(param, "dropped", "Bedrock's Converse API has no such setting.")
    if "message.output_text.logprobs" in call.include:
        losses.add("include", "dropped", "Bedrock's Converse API gives no log probabilities.")
