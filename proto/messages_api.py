"""The Messages API in the OpenAPI document: what is the gateway's own in it, and a reference for the rest.

The format is Anthropic's, and bodies travel as they are; its reference describes every field better than a copy here would.
"""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

_JSON: Final = "application/json"
_SSE: Final = "text/event-stream"

REFERENCE: Final = "https://platform.claude.com/docs/en/api/messages"
NAMES: Final = frozenset({"CreateMessage", "CountTokens"})
_STREAMED: Final = "JSON, or server-sent events with the names of their types, the last of which is `message_stop`."

_COUNTED: Final[Json] = {
    "model": {"type": "string", "minLength": 1, "description": "Is any model of any provider, or `auto`."},
    "messages": {
        "type": "array",
        "minItems": 1,
        "items": {"type": "object"},
        "description": "Is the conversation so far, oldest message first.",
    },
    "routing": {
        "type": ["object", "null"],
        "description": "Says how the provider and the model are to be chosen, as in the Responses API.",
    },
    "provider": {"type": ["string", "null"], "description": "Is the one provider to be asked."},
}
_SENT: Final[Json] = {
    **_COUNTED,
    "max_tokens": {
        "type": "integer",
        "minimum": 0,
        "description": "Is the most tokens the answer may have. More than a model writes is lowered, and reported.",
    },
    "stream": {"type": ["boolean", "null"], "description": "Asks for server-sent events."},
}
_OURS: Final[Json] = {
    "cost": {"type": ["object", "null"], "description": "Is what the answer costs, in US dollars."},
    "routing": {"type": ["object", "null"], "description": "Says how the answer was routed."},
    "translation_losses": {
        "type": "array",
        "items": {"type": "object"},
        "description": "Lists what of the request did not reach the provider as asked.",
    },
}

_ERROR: Final[Json] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string", "description": "Is the kind of the error, in Anthropic's words."},
                "message": {"type": "string", "description": "Is for people."},
            },
        },
        "request_id": {"type": ["string", "null"], "description": "Finds the request in the logs."},
    },
}

_REQUESTS: Final[dict[str, Json]] = {
    "CreateMessage": {
        "type": "object",
        "description": f"Is a request of Anthropic's Messages API: {REFERENCE}.",
        "required": ["model", "messages", "max_tokens"],
        "properties": _SENT,
    },
    "CountTokens": {
        "type": "object",
        "description": f"Is the same without what only an answer needs: {REFERENCE}-count-tokens.",
        "required": ["model", "messages"],
        "properties": _COUNTED,
    },
}
_RESPONSES: Final[dict[str, Json]] = {
    "CreateMessage": {
        _JSON: {
            "schema": {
                "type": "object",
                "description": f"Is a message of that API ({REFERENCE}), and what the gateway adds.",
                "required": ["id", "type", "role", "model", "content", "stop_reason", "usage", *_OURS],
                "properties": _OURS,
            }
        },
        _SSE: {"schema": {"type": "object", "description": "Is an event of that API's streams."}},
    },
    "CountTokens": {
        _JSON: {
            "schema": {
                "type": "object",
                "required": ["input_tokens", "estimated"],
                "properties": {
                    "input_tokens": {"type": "integer", "description": "Is how many tokens the request has."},
                    "estimated": {
                        "type": "boolean",
                        "description": "Says that no provider counted them: the number is a reckoning by size.",
                    },
                },
            }
        }
    },
}


def operation(name: str, summary: str, failures: Sequence[str]) -> Json:
    """The operation of one of `NAMES`. `failures`: the statuses of errors."""
    contents = _RESPONSES[name]
    failed = {"description": "Went wrong.", "content": {_JSON: {"schema": _ERROR}}}
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {_JSON: {"schema": _REQUESTS[name]}}},
        "responses": {
            "200": {"description": _STREAMED if _SSE in contents else "It worked.", "content": contents},
            **dict.fromkeys(failures, failed),
        },
    }
