"""The same conversation gives the same upstream bytes, call after call and process after process, so prompt caches stay warm."""

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from services.adapters import carry
from services.adapters.registry import dialect
from services.catalog.catalog import dialect_of
from services.catalog.reading import read
from services.catalog.schema import Target
from services.chat import intake
from tests.gateway import ROOT

MODELS = [  # one for each wire format, and each set of quirks
    "openai/gpt-5.5",
    "anthropic/claude-opus-4-8",
    "vertex/claude-sonnet-4-5",
    "gemini/gemini-3-pro-preview",
    "bedrock/amazon.nova-pro-v1:0",
    "cohere/command-a-reasoning-08-2025",
    "mistral/magistral-medium-latest",
    "cloudflare/@cf/meta/llama-4-scout-17b-16e-instruct",
    "huggingface/openai/gpt-oss-120b",
]
ROWS = {row.id: row for row in read().providers}
SCHEMA = {
    "type": "object",
    "properties": {"zeta": {"type": "string"}, "alpha": {"type": "integer"}},
    "required": ["zeta"],
}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": SCHEMA}}
    for name in ("read", "write")
] + [{"type": "custom", "custom": {"name": "patch"}}]


def conversation(turns: int) -> list[dict[str, Any]]:
    """So many turns of an agent, each of which begins as the shorter ones do."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]}
    ]
    for turn in range(turns):
        calls = [
            {
                "id": f"call_{turn}_{n}",
                "type": "function",
                "function": {"name": "read", "arguments": '{"zeta":"1", "alpha": 2}'},
            }
            for n in range(2)
        ]
        messages += [
            {"role": "user", "content": f"Go on {turn}"},
            {"role": "assistant", "content": "Well.", "reasoning_content": "Hm.", "tool_calls": calls},
            *({"role": "tool", "tool_call_id": call["id"], "content": "r"} for call in calls),
        ]
    return [*messages, {"role": "user", "content": "So?"}]


def upstream(model: str, turns: int = 3) -> bytes:
    """What the provider is sent."""
    provider, _, name = model.partition("/")
    row = ROWS[provider]
    target = Target(row, dialect_of(row, name), name, name)
    body = {"model": model, "messages": conversation(turns), "tools": TOOLS, "reasoning_effort": "high", "stream": True}
    call, _ = carry.prepare(intake.read(json.dumps(body).encode()).call, target, target.dialect, "scope")
    return dialect(target.dialect).request(call, target).body


def hashes() -> dict[str, str]:
    """Of the bytes for every model."""
    return {model: hashlib.sha256(upstream(model)).hexdigest() for model in MODELS}


def test_every_process_writes_the_same_bytes():
    """Whatever order its sets and hashes have."""
    script = "import json; from tests.chat.test_chat_bytes import hashes; print(json.dumps(hashes()))"
    here = hashes()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PYTHONHASHSEED": "1"}
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, check=True, timeout=60
    )
    assert json.loads(told.stdout) == here


@pytest.mark.parametrize("model", MODELS)
def test_a_longer_conversation_begins_as_the_shorter_one(model):
    """What was sent before is sent again byte for byte, up to the last user's words."""
    short, long = upstream(model, 3), upstream(model, 4)
    end = short.index(b"Go on 2")
    assert long[:end] == short[:end]
    assert short.count(b"Be kind.") == 1
