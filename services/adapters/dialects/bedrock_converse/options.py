"""Limits, sampling and the settings of the service.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
"""

import re
from typing import Final

from services.adapters.dialects.bedrock_converse.families import Family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.adapters.dialects.bedrock_converse.thinking import Fields, Thinking
from services.catalog.schema import Target
from services.vocabulary.call import Call

_TOP_P_MIN: Final = 0.95  # while Claude thinks
_TIERS: Final = frozenset({"default", "flex", "priority", "reserved"})
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")


def inference(call: Call, model: Family, thinking: Thinking, losses: Losses) -> Fields:
    """`inferenceConfig`: maxTokens, temperature, topP, stopSequences."""
    config: Fields = {} if thinking.max_tokens is None else {"maxTokens": thinking.max_tokens}
    config |= _sampling(call, model, thinking, losses)
    if call.stop:
        config["stopSequences"] = call.stop
    if thinking.bare:
        for name, param in (("maxTokens", "max_output_tokens"), ("temperature", "temperature"), ("topP", "top_p")):
            if config.pop(name, None) is not None:
                losses.add(param, "dropped", "The model takes no limits or sampling settings at high reasoning effort.")
    return config


def _sampling(call: Call, model: Family, thinking: Thinking, losses: Losses) -> Fields:
    """Values that are the default anyway are no loss."""
    config: Fields = {}
    for param, name, value in (("temperature", "temperature", call.temperature), ("top_p", "topP", call.top_p)):
        if value is None:
            continue
        if not model.samples:
            why = "The model takes no sampling settings."
        elif thinking.on and not (name == "topP" and value >= _TOP_P_MIN):
            why = "The model takes no sampling settings while it thinks."
        elif name == "topP" and "temperature" in config and not model.samples_both:
            why = "The model takes temperature or top_p, not both."
        else:
            if value > 1:
                losses.add(param, "changed", "Sent as 1, the highest Bedrock takes.")
            config[name] = min(value, 1)
            continue
        if value != 1:
            losses.add(param, "dropped", why)
    return config


def top_k(call: Call, model: Family, thinking: Thinking, losses: Losses) -> Fields:
    """`top_k` for `additionalModelRequestFields`, where the family has a place for it."""
    if call.top_k is None:
        return {}
    if model.top_k is None or not model.samples or thinking.on:
        losses.add("top_k", "dropped", "The model takes no top_k here.")
        return {}
    return {"top_k": call.top_k} if model.top_k == "claude" else {"inferenceConfig": {"topK": call.top_k}}


def service(call: Call, target: Target, losses: Losses) -> Fields:
    """Metadata, service tier, and what the provider's row adds: `latency` and `guardrail` (`identifier:version`)."""
    fields: Fields = {}
    metadata = {}
    for key, value in call.metadata.items():
        if key and _METADATA.fullmatch(key) and _METADATA.fullmatch(value):
            metadata[key] = value
        else:
            why = "Bedrock takes up to 256 letters, digits and : _ @ $ # = / + , - . only."
            losses.add(f"metadata.{key}", "dropped", why)
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
