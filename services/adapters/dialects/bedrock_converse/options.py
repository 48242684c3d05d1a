"""Sampling, limits, reasoning and the other settings around the conversation.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html; what a model takes
beyond it goes into `additionalModelRequestFields`.
"""

import re
from typing import Final

from services.adapters.dialects.bedrock_converse.families import Family, nearest
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.catalog.schema import Target
from services.vocabulary.call import Call, Effort

# Anthropic's minimum is 1024; the words in between follow the common readings of "low" (2k) and "medium" (8k).
_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 30720,
}
_BUDGET_MIN: Final = 1024
_OUTPUT_WHILE_THINKING: Final = 32000  # every Claude that thinks by budget allows at least this many

_NOVA_HIGH: Final = {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}
_TIERS: Final = frozenset({"default", "flex", "priority", "reserved"})
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")

Fields = dict[str, object]


def inference(call: Call, family: Family, thinks: Fields, target: Target, losses: Losses) -> Fields:
    """`inferenceConfig`: maxTokens, temperature, topP, stopSequences. `thinks`: the reasoning fields, empty for none."""
    config: Fields = {}
    max_tokens = call.max_output_tokens
    if max_tokens is None and "thinking" in thinks and family.reasoning == "budget":
        max_tokens = target.facts.max_output or _OUTPUT_WHILE_THINKING  # some models' default is below the budget
    if max_tokens is not None:
        config["maxTokens"] = max_tokens
    config |= _sampling(call, family, thinks, losses)
    if call.stop:
        config["stopSequences"] = call.stop
    if thinks == _NOVA_HIGH:
        for name, param in (("maxTokens", "max_output_tokens"), ("temperature", "temperature"), ("topP", "top_p")):
            if config.pop(name, None) is not None:
                losses.add(param, "dropped", "Nova takes no limits or sampling settings at high reasoning effort.")
    return config


def _sampling(call: Call, family: Family, thinks: Fields, losses: Losses) -> Fields:
    given = {"temperature": call.temperature, "top_p": call.top_p}
    given = {name: value for name, value in given.items() if value is not None}
    if given and (not family.samples or (family.name == "claude" and thinks)):
        why = "while it thinks" if family.samples else "at all"
        for param in given:
            losses.add(param, "dropped", f"The model takes no sampling settings {why}.")
        return {}
    if len(given) == 2 and not family.samples_both:
        del given["top_p"]
        losses.add("top_p", "dropped", "The model takes temperature or top_p, not both.")
    config: Fields = {}
    if (temperature := given.get("temperature")) is not None:
        if temperature > 1:
            losses.add("temperature", "changed", "Bedrock's highest temperature is 1.")
        config["temperature"] = min(temperature, 1)
    if "top_p" in given:
        config["topP"] = given["top_p"]
    return config


def top_k(call: Call, family: Family, thinks: Fields, losses: Losses) -> Fields:
    """`top_k`, where the model's family has a place for it."""
    if call.top_k is None:
        return {}
    if family.top_k is None or not family.samples or (family.top_k == "claude" and thinks):
        losses.add("top_k", "dropped", "The model takes no top_k here.")
        return {}
    return {"top_k": call.top_k} if family.top_k == "claude" else {"inferenceConfig": {"topK": call.top_k}}


def reasoning(call: Call, family: Family, losses: Losses, *, forced: bool) -> Fields:
    """The fields that ask for reasoning, each family's own. `forced`: a tool call is forced, so Claude cannot think."""
    asked = call.reasoning
    effort = asked.effort if asked is not None else None
    if asked is None or effort is None:
        return {}
    if effort == "none":
        return _no_reasoning(family, losses)
    if family.reasoning == "none":
        losses.add("reasoning.effort", "dropped", "The model has no reasoning to set.")
        return {}
    if forced and family.name == "claude":
        losses.add("reasoning.effort", "dropped", "The model cannot think while a tool call is forced.")
        return {}
    if family.reasoning == "budget":
        return _budget(call, asked.budget_tokens or _BUDGETS[effort], losses)
    word = nearest(effort, family.efforts)
    if word != effort:
        losses.add("reasoning.effort", "changed", f"Sent as {word}, the nearest the model has.")
    match family.reasoning:
        case "adaptive":
            thinking = {"type": "adaptive"}
            if family.display and asked.summary is not None:
                thinking["display"] = "summarized"
            return {"thinking": thinking, "output_config": {"effort": word}}
        case "nova":
            return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
        case "reasoning":
            return {"reasoning": {"effort": word}}
        case field:  # reasoning_effort, reasoning_config
            return {field: word}


def _no_reasoning(family: Family, losses: Losses) -> Fields:
    if family.disable == "":
        losses.add("reasoning.effort", "changed", "The model always thinks; it is asked to think little.")
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": family.efforts[0]}}
    if family.disable is not None:
        off = family.disable
        return {"reasoning": {"effort": off}} if family.reasoning == "reasoning" else {"thinking": {"type": off}}
    if family.reasoning == "reasoning_config" or (
        family.reasoning == "reasoning_effort" and family.efforts == ("high",)
    ):
        return {family.reasoning: "none"}
    if family.reasoning in {"reasoning_effort", "reasoning"}:
        losses.add("reasoning.effort", "changed", f"The model always reasons; sent as {family.efforts[0]}.")
        word = family.efforts[0]
        return {"reasoning": {"effort": word}} if family.reasoning == "reasoning" else {"reasoning_effort": word}
    return {}


def _budget(call: Call, budget: int, losses: Losses) -> Fields:
    """Claude's older way: a token budget below the output limit, which counts thinking too."""
    limit = call.max_output_tokens
    if limit is not None and limit <= _BUDGET_MIN:
        losses.add(
            "reasoning.effort", "dropped", f"The model thinks with {_BUDGET_MIN} tokens or more, beside its answer."
        )
        return {}
    if limit is not None and budget >= limit:
        budget = max(_BUDGET_MIN, limit // 2)
    return {"thinking": {"type": "enabled", "budget_tokens": max(_BUDGET_MIN, budget)}}


def service(call: Call, target: Target, losses: Losses) -> Fields:
    """Metadata, service tier, and what the provider's row adds: `latency` and `guardrail` (`id:version`)."""
    fields: Fields = {}
    metadata = {}
    for key, value in call.metadata.items():
        if _METADATA_KEY.fullmatch(key) and _METADATA_VALUE.fullmatch(value):
            metadata[key] = value
        else:
            losses.add(
                f"metadata.{key}", "dropped", "Bedrock takes up to 256 letters, digits and : _ @ $ # = / + , - . only."
            )
    if metadata:
        fields["requestMetadata"] = metadata
    if call.service_tier in _TIERS:
        fields["serviceTier"] = {"type": call.service_tier}
    elif call.service_tier not in {None, "auto"}:
        losses.add("service_tier", "dropped", "Bedrock's tiers are default, flex, priority and reserved.")
    if isinstance(latency := target.quirks.get("latency"), str):
        fields["performanceConfig"] = {"latency": latency}
    if isinstance(guardrail := target.quirks.get("guardrail"), str):
        identifier, _, version = guardrail.rpartition(":")
        fields["guardrailConfig"] = {"guardrailIdentifier": identifier, "guardrailVersion": version}
    return fields
