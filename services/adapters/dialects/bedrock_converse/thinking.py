"""Reasoning effort, written as each family wants it, in `additionalModelRequestFields`.

* Claude up to 4.5: `thinking` with a token budget, within `maxTokens`; later `thinking: adaptive` and an effort.
* Nova 2: `reasoningConfig`. gpt-oss, DeepSeek, GLM: `reasoning_effort`. Qwen: `reasoning_config`. GPT, Grok: `reasoning.effort`.

https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html, …-adaptive-thinking.html and
the model cards. A word the model does not have becomes the next higher one, else the next lower one.
"""

from typing import Final, NamedTuple

from services.adapters.dialects.bedrock_converse.families import Family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.catalog.schema import Target
from services.vocabulary.call import EFFORTS, Call, Effort, ReasoningOptions

Fields = dict[str, object]

BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
_BUDGET_MIN: Final = 1024
_OUTPUT_WHILE_THINKING: Final = 32_000  # every Claude that thinks by budget allows as many


class Thinking(NamedTuple):
    """fields: what asks for it. max_tokens: the output limit that goes with it. on: whether Claude thinks in any case.

    bare: the model takes neither limits nor sampling settings beside it (Nova at high effort).
    """

    fields: Fields
    max_tokens: int | None
    on: bool = False
    bare: bool = False


def decide(call: Call, model: Family, target: Target, losses: Losses, *, forced: bool) -> Thinking:
    """How the model is told to think. `forced`: a tool call is forced, which no thinking budget goes with."""
    asked, limit = call.reasoning or ReasoningOptions(), call.max_output_tokens
    effort = asked.effort
    if effort is None:
        if model.reasoning == "adaptive" and asked.summary is not None:
            return Thinking({"thinking": _adaptive(asked, model)}, limit, on=True)
        return Thinking({}, limit)
    if effort == "none":
        return Thinking(_off(model, losses), limit)
    if model.reasoning == "none":
        losses.add("reasoning.effort", "dropped", "The model has no reasoning to set.")
        return Thinking({}, limit)
    if model.reasoning == "budget":
        if forced:
            losses.add("reasoning.effort", "dropped", "The model cannot think while a tool call is forced.")
            return Thinking({}, limit)
        return _within_budget(call, asked.budget_tokens or BUDGETS[effort], target, losses)
    word = nearest(effort, model.efforts)
    if word != effort:
        losses.add("reasoning.effort", "changed", f"Sent as {word}, the nearest the model has.")
    if model.reasoning == "adaptive":
        return Thinking({"thinking": _adaptive(asked, model), "output_config": {"effort": word}}, limit, on=True)
    return Thinking(_effort(model, word), limit, bare=model.reasoning == "nova" and word == "high")


def nearest(effort: Effort, accepted: tuple[Effort, ...]) -> Effort:
    """The accepted effort nearest to the one asked for: the next higher one, else the next lower one."""
    asked = EFFORTS.index(effort)
    return next((word for word in accepted if EFFORTS.index(word) >= asked), accepted[-1])


def _adaptive(asked: ReasoningOptions, model: Family) -> Fields:
    """Later models leave the readable thinking out unless it is asked for."""
    thinking: Fields = {"type": "adaptive"}
    if model.hides_thinking and asked.summary is not None:
        thinking["display"] = "summarized"
    return thinking


def _effort(model: Family, word: str) -> Fields:
    match model.reasoning:
        case "nova":
            return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
        case "reasoning":
            return {"reasoning": {"effort": word}}
        case field:  # reasoning_effort, reasoning_config
            return {field: word}


def _off(model: Family, losses: Losses) -> Fields:
    """No reasoning: nothing to say where none is the default, else the family's own word, else as little as it can."""
    if model.off is not None:
        return {"thinking": {"type": model.off}} if model.name == "claude" else _effort(model, model.off)
    if not model.always_thinks:
        return {}
    least = model.efforts[0]
    losses.add("reasoning.effort", "changed", f"The model always thinks; sent as {least}.")
    return {"output_config": {"effort": least}} if model.name == "claude" else _effort(model, least)


def _within_budget(call: Call, budget: int, target: Target, losses: Losses) -> Thinking:
    limit = call.max_output_tokens or target.facts.max_output or _OUTPUT_WHILE_THINKING
    room = max(limit - _BUDGET_MIN, limit // 2)  # some of the limit is for the answer itself
    fitted = max(_BUDGET_MIN, min(budget, room))
    if fitted != budget:
        losses.add("reasoning.effort", "changed", f"Sent as a budget of {fitted} tokens, to fit into the output limit.")
    if limit <= fitted:
        limit += fitted
        losses.add("max_output_tokens", "changed", f"Sent as {limit}: the smallest thinking budget did not fit.")
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": fitted}}, limit, on=True)
