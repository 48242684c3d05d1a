"""What the fake provider answers: for each wire format a whole answer of about 1 kB, and a stream of 100 text chunks."""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Final

CHUNKS: Final = 100
TEXT: Final = "A gateway adds little to what a model takes. " * 15
MODEL: Final = "bench"

Json = dict[str, object]


@dataclass(frozen=True)
class Answers:
    """whole: a JSON body. stream: the pieces of a streamed body, one per write; the text ones among them are CHUNKS."""

    whole: bytes
    stream: list[bytes]


def _pieces() -> list[str]:
    return [f"word{number} " for number in range(CHUNKS)]


def _event(data: Json, name: str | None = None) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _responses() -> Answers:
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 100,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 150,
    }

    def response(status: str, text: str | None) -> Json:
        output = [] if text is None else [message("completed", text)]
        return {
            "id": "resp_bench", "object": "response", "created_at": 1770000000, "status": status, "background": False,
            "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None,
            "max_tool_calls": None, "model": MODEL, "output": output, "parallel_tool_calls": True,
            "previous_response_id": None, "prompt_cache_key": None, "reasoning": {"effort": None, "summary": None},
            "safety_identifier": None, "service_tier": "default", "store": False, "temperature": 1.0,
            "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto", "tools": [],
            "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "metadata": {},
            "usage": usage if text is not None else None,
        }  # fmt: skip

    def part(text: str) -> Json:
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def message(status: str, text: str | None) -> Json:
        content = [] if text is None else [part(text)]
        return {"id": "msg_bench", "type": "message", "status": status, "content": content, "role": "assistant"}

    text = "".join(_pieces())
    at: Json = {"item_id": "msg_bench", "output_index": 0, "content_index": 0}
    events: list[tuple[str, Json]] = [
        ("response.created", {"response": response("in_progress", None)}),
        ("response.in_progress", {"response": response("in_progress", None)}),
        ("response.output_item.added", {"output_index": 0, "item": message("in_progress", None)}),
        ("response.content_part.added", {**at, "part": part("")}),
        *(("response.output_text.delta", {**at, "delta": piece, "logprobs": []}) for piece in _pieces()),
        ("response.output_text.done", {**at, "text": text, "logprobs": []}),
        ("response.content_part.done", {**at, "part": part(text)}),
        ("response.output_item.done", {"output_index": 0, "item": message("completed", text)}),
        ("response.completed", {"response": response("completed", text)}),
    ]
    stream = [
        _event({"type": name, "sequence_number": number, **data}, name) for number, (name, data) in enumerate(events)
    ]
    return Answers(json.dumps(response("completed", TEXT)).encode(), stream)


def _messages() -> Answers:
    head: Json = {"model": MODEL, "id": "msg_bench", "type": "message", "role": "assistant"}
    usage: Json = {
        "input_tokens": 50,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 100,
        "service_tier": "standard",
    }
    whole = {
        **head,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    events: list[Json] = [
        {
            "type": "message_start",
            "message": {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in _pieces()
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 100},
        },
        {"type": "message_stop"},
    ]
    return Answers(json.dumps(whole).encode(), [_event(event, str(event["type"])) for event in events])


def _chat() -> Answers:
    usage = {"prompt_tokens": 50, "completion_tokens": 100, "total_tokens": 150}

    def completion(kind: str, choice: Json) -> Json:
        choices = [{"index": 0, "finish_reason": None, **choice}]
        return {"id": "chatcmpl-bench", "object": kind, "created": 1770000000, "model": MODEL, "choices": choices}

    message: Json = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    whole = {**completion("chat.completion", {"message": message, "finish_reason": "stop"}), "usage": usage}
    chunks = [
        completion("chat.completion.chunk", {"delta": {"role": "assistant", "content": ""}}),
        *(completion("chat.completion.chunk", {"delta": {"content": piece}}) for piece in _pieces()),
        completion("chat.completion.chunk", {"delta": {}, "finish_reason": "stop"}),
        {**completion("chat.completion.chunk", {}), "choices": [], "usage": usage},
    ]
    return Answers(json.dumps(whole).encode(), [*(_event(chunk) for chunk in chunks), b"data: [DONE]\n\n"])


def _gemini() -> Answers:
    usage = {"promptTokenCount": 50, "candidatesTokenCount": 100, "totalTokenCount": 150}

    def chunk(text: str, **more: object) -> Json:
        return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}]}

    end = {"usageMetadata": usage, "modelVersion": MODEL}
    chunks = [chunk(piece) for piece in _pieces()]
    chunks[-1] = {**chunk(_pieces()[-1], finishReason="STOP"), **end}
    whole = {**chunk(TEXT, finishReason="STOP"), **end}
    return Answers(json.dumps(whole).encode(), [_event(chunk) for chunk in chunks])


def _cohere() -> Answers:
    tokens = {"input_tokens": 50, "output_tokens": 100}
    usage = {"billed_units": tokens, "tokens": tokens}
    content = [{"type": "text", "text": TEXT}]
    whole = {
        "id": "bench",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": content},
        "usage": usage,
    }
    start: Json = {"index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}
    events: list[Json] = [
        {"type": "message-start", "id": "bench", "delta": {"message": {"role": "assistant", "content": []}}},
        {"type": "content-start", **start},
        *(
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}
            for piece in _pieces()
        ),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]
    frames = [_event(event, str(event["type"])) for event in events]
    return Answers(json.dumps(whole).encode(), [*frames, b"data: [DONE]\n\n"])


def _converse() -> Answers:
    usage = {"inputTokens": 50, "outputTokens": 100, "totalTokens": 150}
    message = {"role": "assistant", "content": [{"text": TEXT}]}
    whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    events: list[tuple[str, Json]] = [
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}) for piece in _pieces()),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]
    return Answers(json.dumps(whole).encode(), [_message_frame(name, data) for name, data in events])


def _message_frame(name: str, data: Json) -> bytes:
    """One message of an AWS event stream, checksums included."""
    named = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for key, value in named.items()
    )
    payload = json.dumps(data, separators=(",", ":")).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


_GEMINI: Final = _gemini()
_CONVERSE: Final = _converse()

ANSWERS: Final = {
    "/responses": _responses(),
    "/messages": _messages(),
    "/chat/completions": _chat(),
    "/v2/chat": _cohere(),
    ":generateContent": _GEMINI,
    ":streamGenerateContent": _GEMINI,
    "/converse": _CONVERSE,
    "/converse-stream": _CONVERSE,
}
"""By how the request's path ends."""

STREAMED: Final = (":streamGenerateContent", "/converse-stream")
"""Paths that ask for a stream by themselves; others ask in the body."""
