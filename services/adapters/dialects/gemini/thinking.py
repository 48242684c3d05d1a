"""Reasoning options -> `thinkingConfig`: a level from Gemini 3 on, a token budget for Gemini 2.5.

https://ai.google.dev/gemini-api/docs/thinking
"""

from collections.abc import Sequence
from typing import Final

from services.adapters.dialects.gemini.family import thinks_by_budget, thinks_by_level
from services.adapters.effort import nearest
from services.catalog.schema import Target
from services.vocabulary.call import Effort, ReasoningOptions
from services.vocabulary.event import Loss

Json = dict[str, object]

_LEVELS: Final[tuple[Effort, ...]] = ("minimal", "low", "medium", "high", "xhigh")
_BUDGETS: Final[dict[Effort, int]] = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192, "high": 24576}


def thinking_config(options: ReasoningOptions | None, target: Target, losses: list[Loss]) -> Json | None:
    """The `thinkingConfig`, or None when nothing was asked for. An effort the model lacks goes to the nearest one."""
    if options is None or (options.effort is None and options.summary is None and options.budget_tokens is None):
        return None
    model = target.upstream
    if target.facts.efforts == [] or not (thinks_by_level(model) or thinks_by_budget(model)):
        if options.effort not in (None, "none") or options.summary is not None:
            losses.append(Loss("reasoning", "dropped", f"{target.model} does not reason."))
        return None
    config = _by_level(options, target, losses) if thinks_by_level(model) else _by_budget(options, target, losses)
    if options.summary is not None and config.get("thinkingBudget") != 0:
        config["includeThoughts"] = True
        if options.summary != "auto":
            losses.append(Loss("reasoning.summary", "changed", "Gemini has one kind of summary."))
    return config or None


def _by_level(options: ReasoningOptions, target: Target, losses: list[Loss]) -> Json:
    if options.effort is None:
        return {}
    allowed = [level for level in _LEVELS if level in _known_levels(target)] or list(_LEVELS)
    level = nearest(options.effort, allowed)
    _report(options.effort, level, target, losses)
    return {"thinkingLevel": level.upper()}


def _known_levels(target: Target) -> Sequence[Effort]:
    if target.facts.efforts:
        return target.facts.efforts
    if "flash" in target.upstream:
        return ("minimal", "low", "medium", "high")
    return ("low", "high") if "gemini-3-pro" in target.upstream else ("low", "medium", "high")


def _by_budget(options: ReasoningOptions, target: Target, losses: list[Loss]) -> Json:
    model = target.upstream
    least, most = _budget_range(model)
    if options.budget_tokens is not None:
        asked = options.budget_tokens
        budget = 0 if asked == 0 and _can_be_off(model) else min(max(asked, least), most)
        if budget != asked:
            losses.append(
                Loss("reasoning.budget_tokens", "changed", f"{target.model} thinks in {least} to {most} tokens.")
            )
        return {"thinkingBudget": budget}
    if options.effort is None:
        return {}
    possible: list[Effort] = [effort for effort in _BUDGETS if effort != "none" or _can_be_off(model)]
    allowed = [effort for effort in possible if target.facts.efforts is None or effort in target.facts.efforts]
    effort = nearest(options.effort, allowed or possible)
    _report(options.effort, effort, target, losses)
    return {"thinkingBudget": 0 if effort == "none" else min(max(_BUDGETS[effort], least), most)}


def _budget_range(model: str) -> tuple[int, int]:
    if "pro" in model:
        return 128, 32768
    return (512 if "lite" in model else 1), 24576


def _can_be_off(model: str) -> bool:
    return "pro" not in model  # Gemini 2.5 Pro always thinks


def _report(asked: Effort, sent: Effort, target: Target, losses: list[Loss]) -> None:
    if asked != sent:
        losses.append(
            Loss("reasoning.effort", "changed", f"{target.model} has no effort {asked!r}; {sent!r} was asked for.")
        )
