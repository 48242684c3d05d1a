"""A body and headers of the shape Claude Code sends: 25 tools, three system blocks, markers, betas; about 85 kB."""

import json
from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

HEADERS = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,"
    "context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,effort-2025-11-24",
    "x-app": "cli",
    "accept": "application/json",
}
_NAMES = (
    "Agent AskUser Bash BashOutput Edit EnterPlanMode ExitPlanMode Glob Grep KillShell ListResources LSP MultiEdit"
    " Monitor NotebookEdit Read ReadResource Skill SlashCommand Task TaskOutput TodoWrite WebFetch WebSearch Write"
).split()
_PROSE = (
    "Use it when the work at hand asks for it, and say in a sentence why. Paths are absolute; “quotes” and … stay as they are.\n"
    "- Never guess what a file holds: read it first.\n"
)


def tool(name: str, words: int = 15) -> Json:
    """One tool: a long description, and a schema with nested objects, enums and limits."""
    properties = {
        "command": {"type": "string", "description": f"What {name} is to do."},
        "options": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"zeta": {"type": "number", "minimum": 0.5}, "alpha": {"enum": ["b", "a", None]}},
                "required": ["zeta"],
            },
        },
    }
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": properties}
    return {
        "name": name,
        "description": f"{name}: " + _PROSE * words,
        "input_schema": {**schema, "required": ["command"], "additionalProperties": False},
    }


def body(model: str, messages: Sequence[Json] = (), *, stream: bool = True, turn: int = 1) -> bytes:
    """The body as bytes. `turn`: varies what varies from call to call."""
    said = [{"type": "text", "text": "<system-reminder>Today is a day.</system-reminder>"}]
    said.append({"type": "text", "text": "say hi", "cache_control": {"type": "ephemeral"}})
    begun = [
        {"role": "user", "content": said},
        {"role": "system", "content": "The user's tools may fail; say so."},
    ]
    marker = {"type": "ephemeral", "ttl": "1h"}
    fields = {
        "model": model,
        "messages": [*begun, *messages],
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; cch={turn:05x};"},
            {"type": "text", "text": "You are an agent in a terminal.", "cache_control": marker},
            {"type": "text", "text": _PROSE * 20, "cache_control": marker},
        ],
        "tools": [tool(name) for name in _NAMES],
        "metadata": {"user_id": json.dumps({"device_id": "d" * 64, "account_uuid": "", "session_id": "s" * 36})},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": stream,
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
