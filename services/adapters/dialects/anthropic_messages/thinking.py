"""Reasoning effort -> `thinking`, `output_config.effort` and `max_tokens`; and the sampling parameters that go with it.

* Budget models (3.7 to 4.5) think when an effort is given, within the budget of the word. `none` needs nothing: it is off.
* Adaptive models (4.6 and later) get the effort itself. `none` turns thinking off where that is possible, else asks for the
  lowest effort. Without an effort the model does what it does by default; a summary that is asked for lets it think.

A word the model does not have becomes the next higher one, else the next lower one.
https://platform.claude.com/docs/en/build-with-claude/thinking, …/effort
"""

from typing import Final

import msgspec

from services.adapters.dialects.anthropic_messages.content import Block
from services.adapters.dialects.anthropic_messages.losses import Losses
from services.adapters.dialects.anthropic_messages.models import Traits
from services.adapters.dialects.anthropic_messages.plan import asks_to_think
from services.vocabulary.call import EFFORTS, Call, Effort, ReasoningOptions

DEFAULT_MAX_TOKENS: Final = 32_000  # where neither client nor catalogue says, and the model can write as much
BUDGET_MIN: Final = 1024
BUDGETS: Final[dict[Effort, int]] = {
    "minimal": BUDGET_MIN,
    "low": 2048,
    "medium": 8192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 32_768,
}
_TOP_P_MIN: Final = 0.95  # with a thinking budget


class Thinking(msgspec.Struct, frozen=True):
    """What goes into the body. `fixed`: the model thinks within a budget, which temperature and top_k do not go with."""

    max_tokens: int
    thinking: Block | None = None
    effort: Effort | None = None
    fixed: bool = False


def decide(call: Call, accepts: Traits, max_output: int | None, forced: bool, losses: Losses) -> Thinking:
    """How the model is told to think. `forced`: a tool must be called, which no budget goes with."""
    limit = call.max_output_tokens or max_output or min(accepts.max_output, DEFAULT_MAX_TOKENS)
    asked = call.reasoning or ReasoningOptions()
    if asked.summary in ("concise", "detailed"):
        losses.changed("reasoning.summary", "Anthropic has one kind of summary.")
    if asks_to_think(call):
        if accepts.thinking == "none" or not accepts.efforts:
            losses.dropped("reasoning.effort", "The model does not think.")
            return Thinking(limit)
        if accepts.thinking == "budget":
            if forced:
                losses.dropped("reasoning.effort", "The model cannot think when a tool call is forced.")
                return Thinking(limit)
            return _within_budget(call, asked, accepts, limit, losses)
        return Thinking(limit, _adaptive(asked, accepts), _nearest(asked, accepts, losses))
    if asked.effort == "none":
        return _off(accepts, limit, losses)
    if asked.summary is not None:
        if accepts.thinking == "adaptive":
            return Thinking(limit, _adaptive(asked, accepts))
        losses.dropped("reasoning.summary", "The model thinks only when an effort is given.")
    return Thinking(limit)


def _adaptive(asked: ReasoningOptions, accepts: Traits) -> Block:
    thinking: Block = {"type": "adaptive"}
    if asked.summary is not None and not accepts.shows_thinking:
        thinking["display"] = "summarized"
    return thinking


def _off(accepts: Traits, limit: int, losses: Losses) -> Thinking:
    if accepts.thinking != "adaptive" or not accepts.thinks_unasked:
        return Thinking(limit)
    if accepts.off is not None:
        return Thinking(limit, {"type": accepts.off})
    lowest = min(accepts.efforts, key=EFFORTS.index, default=None)
    losses.changed("reasoning.effort", f"The model always thinks; it was asked for {lowest} effort.")
    return Thinking(limit, None, lowest)


def _within_budget(call: Call, asked: ReasoningOptions, accepts: Traits, limit: int, losses: Losses) -> Thinking:
    budget = asked.budget_tokens or BUDGETS[_nearest(asked, accepts, losses)]
    if budget < BUDGET_MIN:
        losses.changed("reasoning.effort", f"The smallest budget is {BUDGET_MIN} tokens.")
        budget = BUDGET_MIN
    room = max(limit - BUDGET_MIN, limit // 2)  # some of the limit is for the answer itself
    if budget > room:
        budget = max(BUDGET_MIN, room)
        if call.max_output_tokens is not None:
            losses.changed("reasoning.effort", f"Sent as a budget of {budget} tokens, to fit into max_output_tokens.")
    if limit <= budget:
        limit += budget
        losses.changed("max_output_tokens", f"Sent as {limit}: the smallest thinking budget did not fit.")
    return Thinking(limit, {"type": "enabled", "budget_tokens": budget}, fixed=True)


def _nearest(asked: ReasoningOptions, accepts: Traits, losses: Losses) -> Effort:
    """The effort asked for, or the next one the model has: upwards, then downwards."""
    wanted: Effort = asked.effort if asked.effort not in (None, "none") else "medium"
    place = EFFORTS.index(wanted)
    order = (*EFFORTS[place:], *reversed(EFFORTS[:place]))
    found = next(effort for effort in order if effort in accepts.efforts)
    if found != wanted:
        losses.changed("reasoning.effort", f"Sent as {found}, the nearest level the model has.")
    return found


def sampling(call: Call, accepts: Traits, thinking: Thinking, losses: Losses) -> Block:
    """temperature, top_p and top_k, as far as the model takes them. Values that are the default anyway are no loss."""
    fields: Block = {}
    for name, value, default in (
        ("temperature", call.temperature, 1),
        ("top_p", call.top_p, 1),
        ("top_k", call.top_k, 0),
    ):
        if value is None:
            continue
        if not accepts.sampling:
            why = "The model takes no sampling parameters."
        elif thinking.fixed and not (name == "top_p" and value >= _TOP_P_MIN):
            why = "Not together with a thinking budget."
        elif name == "top_p" and "temperature" in fields and not accepts.samplers_together:
            why = "The model takes either temperature or top_p."
        else:
            if name == "temperature" and value > 1:
                losses.changed(name, "Sent as 1, the highest Anthropic takes.")
            fields[name] = min(value, 1) if name == "temperature" else value
            continue
        if value != default:
            losses.dropped(name, why)
    return fields
