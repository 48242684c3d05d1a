"""What a provider of the chat format does otherwise than the rest: the `quirks` of its row, as one typed table.

The defaults suit a server about which nothing is known (vLLM, llama.cpp, Ollama, LM Studio). A parameter outside the common
ones is sent only where `parameters` lists it: servers drop unknown fields without a word, or refuse the whole request, and
the client should hear about it from us.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from services.catalog.schema import Provider, Scalar
from services.vocabulary.call import Effort

Parameter = Literal[
    "functions",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_options",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream_options",
    "tool_choice",
    "top_k",
    "user",
    "verbosity",
    "web_search_options",
]

_USUAL: tuple[Parameter, ...] = (
    "logprobs",
    "parallel_tool_calls",
    "reasoning_effort",
    "seed",
    "stop",
    "stream_options",
    "tool_choice",
)


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider's ways.

    path: appended to the base URL; `{model}` stands for the upstream model id (Azure deployments).
    api_version: sent as the query parameter `api-version` (Azure's dated API).
    parameters: optional parameters it takes, all others being reported as lost.
    max_tokens_field, seed_field: what it calls these two. max_tokens_models: model id prefixes that want `max_tokens` anyway.
    json_schema: holds answers to a schema; otherwise (or where a model is known not to) a forced tool does.
    efforts: reasoning efforts it takes where the model's own are not known; empty for any.
    developer_role: has the role `developer`; otherwise such messages are sent as `system`.
    content_lists: takes a list of text parts as content; otherwise texts are joined into one string.
    empty_content: wants `content: ""` in an assistant message that only calls tools; otherwise the field is left out.
    refusals: takes refusal parts in assistant messages; otherwise a refusal is sent as text.
    replay_reasoning: where earlier reasoning goes: a field of the assistant message, Mistral's thinking parts, or nowhere.
    thinking_models: model id prefixes that think unasked, and so answer with thinking parts.
    strict_order: Mistral's rules: one system prompt at the start, no user after a tool, an assistant last only as a prefix.
    tool_ids: `nine` wants tool call ids of nine letters and digits.
    tool_media: tool messages may hold images and files; otherwise these follow in a user message.
    files: how a document is sent: as a `file` part, as Mistral's `document_url`, or not at all.
    strict_tools: knows `strict` on functions. custom_tools: has free-text tools. allowed_tools: has that tool choice.
    cache_control: takes Anthropic's cache markers on text parts (OpenRouter).
    cache_breakpoints: model id prefixes that take OpenAI's `prompt_cache_breakpoint` on parts.
    cache_key_header: the header that takes the prompt cache key, where the body has no field for it.
    """

    path: str = "/chat/completions"
    api_version: str | None = None
    parameters: tuple[Parameter, ...] = _USUAL
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_tokens_models: list[str] = []
    seed_field: Literal["seed", "random_seed"] = "seed"
    json_schema: bool = True
    efforts: list[Effort] = []
    developer_role: bool = False
    content_lists: bool = True
    empty_content: bool = False
    refusals: bool = False
    replay_reasoning: Literal["none", "reasoning_content", "reasoning", "thinking"] = "none"
    thinking_models: list[str] = []
    strict_order: bool = False
    tool_ids: Literal["any", "nine"] = "any"
    tool_media: bool = False
    files: Literal["none", "file", "document_url"] = "none"
    strict_tools: bool = False
    custom_tools: bool = False
    allowed_tools: bool = False
    cache_control: bool = False
    cache_breakpoints: list[str] = []
    cache_key_header: str | None = None


_NAMES = frozenset(Quirks.__struct_fields__)


def read_quirks(provider: Provider) -> Quirks:
    """The quirks of a row; those of other formats are theirs. Raises `ValueError` that names the provider and the field."""
    given: Mapping[str, Scalar] = {name: value for name, value in provider.quirks.items() if name in _NAMES}
    try:
        return msgspec.convert(given, Quirks)
    except msgspec.ValidationError as error:
        raise ValueError(f"provider {provider.id!r}, quirks of the chat format: {error}") from error
