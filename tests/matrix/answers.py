"""One answer per format that tells all the format can tell, and what of it reaches the client."""

import json
from typing import Any, Final

import msgspec

from services.adapters.registry import dialect
from services.responses.native import NativeLane
from services.responses.projection import Projection
from services.vocabulary.event import NativeAnswer, Opened, UsageReported
from services.vocabulary.usage import Usage
from tests.adapters.conformance import FIXTURES
from tests.matrix.asking import SCOPE, request
from tests.matrix.lanes import Lane
from tests.matrix.probes import HI, Json

THOUGHT, SEAL, ANSWER, TOKEN = "mark-thought", "bWFyay1zZWFs", "mark-answer", "mark-token"
URL: Final = "https://example.com/mark"
REFUSAL: Final = "mark-refusal"

_CITED: Final = {"type": "url_citation", "url": URL, "title": "Mark", "start_index": 0, "end_index": 4}
_LOGPROBS: Final = [{"token": TOKEN, "logprob": -0.5, "bytes": [109], "top_logprobs": []}]
_RESPONSE: Final = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "error": None}

RICH: Final[dict[str, Json]] = {
    "openai_responses": {
        **_RESPONSE,
        "status": "completed",
        "output": [
            {
                "id": "rs_1",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": THOUGHT}],
                "encrypted_content": SEAL,
            },
            {
                "id": "ws_1",
                "type": "web_search_call",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            },
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": ANSWER, "annotations": [_CITED], "logprobs": _LOGPROBS}],
            },
        ],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 150,
        },
        "service_tier": "flex",
    },
    "openai_chat": {
        "id": "c1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "reasoning_content": THOUGHT,
                    "content": ANSWER,
                    "annotations": [{"type": "url_citation", "url_citation": _CITED}],
                },
                "logprobs": {"content": _LOGPROBS},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
            "completion_tokens": 50,
            "completion_tokens_details": {"reasoning_tokens": 20},
        },
        "service_tier": "flex",
    },
    "anthropic_messages": {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": THOUGHT, "signature": SEAL},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {
                "type": "text",
                "text": ANSWER,
                "citations": [
                    {"type": "web_search_result_location", "url": URL, "title": "Mark", "cited_text": "mark"}
                ],
            },
        ],
        "stop_reason": "end_turn",
        "usage": {
            "input_tokens": 85,
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 50,
            "output_tokens_details": {"thinking_tokens": 20},
            "server_tool_use": {"web_search_requests": 1},
            "service_tier": "priority",
        },
    },
    "gemini": {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": THOUGHT, "thought": True}, {"text": ANSWER, "thoughtSignature": SEAL}],
                },
                "finishReason": "STOP",
                "groundingMetadata": {
                    "webSearchQueries": ["q"],
                    "groundingChunks": [{"web": {"uri": URL, "title": "Mark"}}],
                    "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 4}, "groundingChunkIndices": [0]}],
                },
                "logprobsResult": {
                    "chosenCandidates": [{"token": TOKEN, "logProbability": -0.5}],
                    "topCandidates": [{}],
                },
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 10,
            "candidatesTokenCount": 30,
            "thoughtsTokenCount": 20,
            "totalTokenCount": 150,
        },
    },
    "bedrock_converse": {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": SEAL}}},
                    {
                        "toolUse": {
                            "toolUseId": "s1",
                            "name": "nova_grounding",
                            "input": {},
                            "type": "server_tool_use",
                        },
                    },
                    {
                        "citationsContent": {
                            "content": [{"text": ANSWER}],
                            "citations": [{"title": "Mark", "location": {"web": {"url": URL}}}],
                        }
                    },
                ],
            }
        },
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": 85,
            "cacheReadInputTokens": 10,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 3}, {"ttl": "1h", "inputTokens": 2}],
            "outputTokens": 50,
        },
        "serviceTier": {"type": "flex"},
    },
    "cohere_chat": {
        "finish_reason": "COMPLETE",
        "message": {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": ANSWER}],
            "citations": [
                {
                    "start": 0,
                    "end": 4,
                    "text": "mark",
                    "sources": [{"type": "document", "id": "d", "document": {"url": URL, "title": "Mark"}}],
                    "content_index": 1,
                    "type": "TEXT_CONTENT",
                }
            ],
        },
        "logprobs": [{"token_ids": [1], "text": TOKEN, "logprobs": [-0.5]}],
        "usage": {
            "billed_units": {"input_tokens": 100, "output_tokens": 50},
            "tokens": {"input_tokens": 160, "output_tokens": 52, "reasoning_tokens": 20},
            "cached_tokens": 10,
        },
    },
}

_NO_TEXT: Final = {"type": "message", "role": "assistant", "content": []}
REFUSED: Final[dict[str, Json]] = {
    "openai_responses": {
        **_RESPONSE,
        "status": "completed",
        "output": [
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "refusal", "refusal": REFUSAL}],
            }
        ],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "openai_chat": {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None, "refusal": REFUSAL}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    },
    "anthropic_messages": {
        **_NO_TEXT,
        "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "explanation": REFUSAL},
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1}},
    "bedrock_converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": REFUSAL}]}},
        "stopReason": "guardrail_intervened",
        "usage": {"inputTokens": 1, "outputTokens": 1},
    },
    "cohere_chat": {
        "finish_reason": "ERROR_TOXIC",
        "message": {"role": "assistant", "content": []},
        "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 1}},
    },
}

FORMATS: Final = {"anthropic_vertex": "anthropic_messages", "anthropic_bedrock": "anthropic_messages"}
ASKED: Final = {"reasoning": {"effort": "high", "summary": "auto"}}
COLUMNS: Final = (
    "text",
    "reasoning",
    "sealed",
    "goes back",
    "citations",
    "log probs",
    "refused",
    "filtered",
    "cut by its limit",
)
CLASSES: Final = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "web_searches",
    "tier",
)


def told(lane: Lane) -> dict[str, str]:
    """What a client is told, by column."""
    response, _ = public(lane, RICH[_format(lane)])
    items = json.dumps(response["output"])
    reasoning = next((item for item in response["output"] if item["type"] == "reasoning"), {})
    return {
        "text": _yes(ANSWER in items),
        "reasoning": "summary"
        if THOUGHT in json.dumps(reasoning.get("summary"))
        else "content"
        if THOUGHT in items
        else "-",
        "sealed": _yes(SEAL in items),
        "goes back": goes_back(lane, response["output"]),
        "citations": _yes(URL in items),
        "log probs": _yes(TOKEN in items),
        "refused": ending(public(lane, REFUSED[_format(lane)])[0]),
        "filtered": ending(public(lane, fixture(lane, "filtered"))[0]),
        "cut by its limit": ending(public(lane, fixture(lane, "length"))[0]),
    }


def counted(lane: Lane) -> dict[str, str]:
    """The classes of tokens the answer is billed by."""
    _, usage = public(lane, RICH[_format(lane)])
    assert usage.input_total in (100, 85 + 15), usage
    assert usage.output == 50, usage
    return {name: _yes(bool(getattr(usage, name))) for name in CLASSES}


def public(lane: Lane, answer: Json) -> tuple[Json, Usage]:
    """The response a client gets for a provider's whole answer, and the usage that is charged."""
    target, body = lane.target, json.dumps(answer).encode()
    call, made, losses = request(lane, ASKED)
    events = dialect(target.dialect).answer(body, call, target)
    usage = next(event.usage for event in events if isinstance(event, UsageReported))
    opened = Opened(target.provider.id, SCOPE, [*losses, *made.losses])
    if native := [event for event in events if isinstance(event, NativeAnswer)]:
        return json.loads(NativeLane(call, target.id, opened, "resp_0").body(native[0].body, None)), usage
    projection = Projection(call, target.id, opened, "resp_" + 36 * "0", 1)
    projection.feed(events)
    projection.complete(None, 2)
    return json.loads(msgspec.json.encode(projection.response)), usage


def goes_back(lane: Lane, output: list[Json]) -> str:
    """How the reasoning of an answer reaches the same model in the next request."""
    _, made, losses = request(lane, {**ASKED, "input": [HI, *output, HI]})
    body = made.body.decode()
    if SEAL in body:
        return "sealed"
    assert THOUGHT in body or "input[1]" in {loss.param for loss in losses}, "lost in silence"
    return "as text" if THOUGHT in body else "dropped"


def ending(response: Json) -> str:
    """How a response says that it is not simply complete."""
    if (details := response["incomplete_details"]) is not None:
        return str(details["reason"])
    parts = [part["type"] for item in response["output"] for part in item.get("content", ())]
    return "refusal" if "refusal" in (*parts, response.get("stop_reason")) else "as text"


def fixture(lane: Lane, case: str) -> Any:
    """A whole answer of the conformance suite."""
    return json.loads((FIXTURES / _format(lane) / f"{case}.json").read_text())["answer"]


def _format(lane: Lane) -> str:
    return FORMATS.get(lane.target.dialect, lane.target.dialect)


def _yes(fact: bool) -> str:
    return "yes" if fact else "-"
