"""Asking a provider how many tokens a prompt has: the request for an answer, made into one for its count.

https://platform.claude.com/docs/en/api/messages-count-tokens,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html, https://ai.google.dev/api/tokens,
https://platform.openai.com/docs/api-reference/responses/input-tokens
"""

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import msgspec

from services.adapters.dialect import HttpRequest
from services.catalog.schema import Target

Fields = dict[str, msgspec.Raw]

_ANTHROPIC: Final = frozenset(
    {
        *("cache_control", "context_management", "mcp_servers", "messages", "model", "output_config", "output_format"),
        *("speed", "system", "thinking", "tool_choice", "tools"),
    }
)
_OPENAI: Final = frozenset(
    {
        *("conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id", "reasoning"),
        *("text", "tool_choice", "tools", "truncation"),
    }
)
_GEMINI_METHOD: Final = re.compile(r":(?:stream)?[gG]enerateContent$")
_GEMINI_STUDIO: Final = "gemini"

_fields = msgspec.json.Decoder(Fields)


class _Counted(msgspec.Struct):
    input_tokens: int | None = None
    input_tokens_at_aws: int | None = msgspec.field(name="inputTokens", default=None)
    total_tokens: int | None = msgspec.field(name="totalTokens", default=None)


_counted = msgspec.json.Decoder(_Counted)


def asking(dialect: str, request: HttpRequest, target: Target) -> HttpRequest | None:
    """The request for the count of what another request would send; None where the format has no such thing."""
    ask = _ASK.get(dialect)
    return ask(request, target) if ask is not None else None


def read(body: bytes) -> int | None:
    """The count in an answer; None when it says none."""
    try:
        counted = _counted.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    found = (counted.input_tokens, counted.input_tokens_at_aws, counted.total_tokens)
    return next((number for number in found if number is not None), None)


def _anthropic(request: HttpRequest, target: Target) -> HttpRequest:  # noqa: ARG001  # of one shape with the others
    return replace(_only(request, _ANTHROPIC), path=f"{request.path}/count_tokens")


def _vertex(request: HttpRequest, target: Target) -> HttpRequest:
    fields = _kept(request, _ANTHROPIC | {"anthropic_version"})
    body = msgspec.json.encode({**fields, "model": target.upstream})
    return replace(request, path="/models/count-tokens:rawPredict", body=body)


def _bedrock(request: HttpRequest, target: Target) -> HttpRequest:
    fields = {"max_tokens": msgspec.Raw(b"1"), **_fields.decode(request.body)}  # which invoke demands, and no count
    body = {"input": {"invokeModel": {"body": base64.b64encode(msgspec.json.encode(fields)).decode()}}}
    return replace(
        request, path=f"/model/{quote(target.upstream, safe='')}/count-tokens", body=msgspec.json.encode(body)
    )


def _gemini(request: HttpRequest, target: Target) -> HttpRequest:
    fields = _fields.decode(request.body)
    body: object = {name: raw for name, raw in fields.items() if name not in ("toolConfig", "generationConfig")}
    if target.provider.id == _GEMINI_STUDIO:  # where the short form counts the contents only
        model = msgspec.Raw(msgspec.json.encode(f"models/{target.upstream}"))
        body = {"generateContentRequest": {"model": model, **fields}}
    path = _GEMINI_METHOD.sub(":countTokens", request.path)
    return replace(request, path=path, query={}, body=msgspec.json.encode(body))


def _openai(request: HttpRequest, target: Target) -> HttpRequest:  # noqa: ARG001  # as above
    return replace(_only(request, _OPENAI), path=f"{request.path}/input_tokens")


def _kept(request: HttpRequest, names: frozenset[str]) -> Fields:
    return {name: raw for name, raw in _fields.decode(request.body).items() if name in names}


def _only(request: HttpRequest, names: frozenset[str]) -> HttpRequest:
    return replace(request, body=msgspec.json.encode(_kept(request, names)))


_ASK: Final[dict[str, Callable[[HttpRequest, Target], HttpRequest]]] = {
    "anthropic_messages": _anthropic,
    "anthropic_vertex": _vertex,
    "anthropic_bedrock": _bedrock,
    "gemini": _gemini,
    "openai_responses": _openai,
}
