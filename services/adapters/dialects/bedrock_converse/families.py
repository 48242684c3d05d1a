"""What the model families on Bedrock take otherwise than Converse says. Facts of the catalogue win over these.

Converse is one format, but each family refuses other parts of it: fields, tool-result shapes, ways to ask for reasoning.
Read from the model cards and the pages below; where they are silent, from what the API is known to refuse.

https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html (schemas, strict tools)
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html (cache points, times to live)
https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html (reasoning, grounding)
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

from services.catalog.schema import Target
from services.vocabulary.call import Effort

Reasoning = Literal["none", "budget", "adaptive", "nova", "reasoning_effort", "reasoning_config", "reasoning"]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What one model takes. name: what tells the family from others; empty for one that is not known.

    reasoning: where an effort is written; `efforts`: its words there, weakest first. off: the word that turns it off where
    it has one; always_thinks: nothing does. hides_thinking: readable only when asked for.
    cache_messages, cache_tools, cache_hour: where cache points may stand, and whether they may ask for an hour.
    samples: it takes temperature and topP; samples_both: at once. forces: it may be made to call a tool.
    beside_results: what may share a message with tool results.
    """

    name: str = ""
    reasoning: Reasoning = "none"
    efforts: tuple[Effort, ...] = ()
    off: str | None = None
    always_thinks: bool = False
    hides_thinking: bool = False
    cache_messages: bool = False
    cache_tools: bool = False
    cache_hour: bool = False
    json_schema: bool = False
    samples: bool = True
    samples_both: bool = True
    forces: bool = True
    native_choice: bool = False
    single_call: bool = False
    top_k: Literal["claude", "nova"] | None = None
    grounding: bool = False
    json_results: bool = False
    result_status: bool = True
    beside_results: Literal["all", "text and images", "nothing"] = "all"
    leading_assistant: bool = False
    tools: bool = True

    def seal(self, kind: str) -> str:
        """The kind of a seal as this family makes it: no family reads another's, and all are behind one credential."""
        return kind if self.name in {"", "claude"} else f"{kind}-{self.name}"


_LOW_TO_HIGH: tuple[Effort, ...] = ("low", "medium", "high")
_UP_TO_XHIGH: tuple[Effort, ...] = ("low", "medium", "high", "xhigh")
_UP_TO_MAX: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")

# First match on the bare model name wins.
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (
        r"nova-2",
        Family(
            name="nova",
            reasoning="nova",
            efforts=_LOW_TO_HIGH,
            cache_messages=True,
            top_k="nova",
            grounding=True,
        ),
    ),
    (r"nova-premier", Family(name="nova", cache_messages=True, top_k="nova", grounding=True)),
    (r"nova", Family(name="nova", cache_messages=True, top_k="nova")),
    (r"gpt-oss", Family(reasoning="reasoning_effort", efforts=_LOW_TO_HIGH, always_thinks=True, json_schema=True)),
    (r"gpt-\d", Family(reasoning="reasoning", efforts=_UP_TO_XHIGH, off="none", json_schema=True, samples=False)),
    (r"grok", Family(reasoning="reasoning", efforts=_UP_TO_XHIGH, always_thinks=True, samples=False)),
    (r"deepseek.*r1|(^|\.)r1\b", Family(tools=False)),
    (r"deepseek", Family(reasoning="reasoning_effort", efforts=("high",), off="none", json_schema=True)),
    (
        r"glm-5[.-]3",
        Family(
            reasoning="reasoning_effort",
            efforts=_UP_TO_MAX,
            always_thinks=True,
            json_schema=True,
            leading_assistant=True,
        ),
    ),
    (
        r"glm",
        Family(reasoning="reasoning_effort", efforts=("high",), off="none", json_schema=True, leading_assistant=True),
    ),
    (r"qwen3-coder", Family(json_schema=True, leading_assistant=True)),
    (
        r"qwen",
        # low and medium are accepted, but do not make it reason
        Family(reasoning="reasoning_config", efforts=("high",), off="none", json_schema=True, leading_assistant=True),
    ),
    (r"kimi", Family(json_schema=True, leading_assistant=True)),
    (r"minimax|nemotron|gemma-3", Family(json_schema=True)),
    (
        r"magistral|ministral-3|mistral-large-3|voxtral",
        Family(json_schema=True, json_results=True, beside_results="nothing"),
    ),
    (r"mistral|mixtral|pixtral|devstral", Family(json_results=True, beside_results="nothing")),
    (r"llama", Family(beside_results="nothing")),
    (r"palmyra", Family(beside_results="nothing", result_status=False)),
    (r"titan", Family(tools=False)),
)
_COMPILED = tuple((re.compile(pattern), family) for pattern, family in _FAMILIES)

_CLAUDE = re.compile(r"claude-(?:(?P<tier>[a-z]+)-)?(?P<major>\d+)(?:-(?P<minor>\d{1,2})(?!\d))?")
_ARN_WITH_NAME = re.compile(r"arn:[^:]+:bedrock:[^:]*:[^:]*:(?:inference-profile|foundation-model)/(.+)")


def family(target: Target) -> Family:
    """What the target's model takes, with the catalogue's facts applied."""
    known = _family(target.upstream, target.model)
    facts = target.facts
    given = {
        "json_schema": facts.json_schema,
        "tools": facts.tools,
        "samples": facts.temperature,
        "grounding": facts.web_search if known.name == "nova" else None,  # the only search Converse has is Nova's
        "reasoning": facts.thinking if known.name == "claude" else None,
    }
    changes: dict[str, object] = {name: fact for name, fact in given.items() if fact is not None}
    if facts.efforts == []:
        changes["reasoning"] = "none"
    elif facts.efforts:  # words the model has elsewhere are not all taken here
        changes["efforts"] = tuple(word for word in known.efforts if word in facts.efforts) or known.efforts
    return msgspec.structs.replace(known, **changes) if changes else known


@lru_cache(maxsize=4096)
def _family(upstream: str, slug: str) -> Family:
    name = _bare_name(upstream, slug)
    if "claude" in name:
        return _claude(name)
    for pattern, known in _COMPILED:
        if found := pattern.search(name):
            return msgspec.structs.replace(known, name=known.name or found[0].replace(".", "-"))
    return Family()


def _bare_name(upstream: str, slug: str) -> str:
    """The model's name; of an ARN that hides it (provisioned, imported, application profile) the public slug."""
    if upstream.startswith("arn:"):
        found = _ARN_WITH_NAME.fullmatch(upstream)
        return (found[1] if found else slug).lower()
    return upstream.lower()


def _claude(name: str) -> Family:
    found = _CLAUDE.search(name)
    tier = (found["tier"] or "") if found else ""
    version = (int(found["major"]), int(found["minor"] or 0)) if found else (2, 0)
    always = tier in {"fable", "mythos"} or (tier == "opus" and version >= (5, 5))
    quiet = tier == "sonnet" and version >= (5, 5)  # thinks between tool calls at most, but that it does
    reasoning: Reasoning = "none"
    if version >= (4, 6):
        reasoning = "adaptive"
    elif version >= (3, 7):
        reasoning = "budget"
    return Family(
        name="claude",
        reasoning=reasoning,
        efforts=_UP_TO_MAX if version >= (4, 7) else ("low", "medium", "high", "max"),
        off=None if always or version < (5, 0) else "between_tools" if quiet else "disabled",
        always_thinks=always,
        hides_thinking=version >= (4, 7),
        cache_messages=version >= (3, 5),
        cache_tools=version >= (3, 5),
        cache_hour=version >= (4, 5),
        json_schema=version >= (4, 5) and tier != "fable",
        samples=version < (4, 7),
        samples_both=version < (4, 1),
        forces=not (version >= (5, 1) and tier != "haiku"),
        native_choice=True,
        single_call=version >= (4, 5),
        top_k="claude",
        beside_results="text and images",
        leading_assistant=True,
        tools=version >= (3, 0),
    )
