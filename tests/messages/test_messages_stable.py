"""The same prefix gives the same bytes to the provider, call after call and process after process: caches live from that."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.adapters import carry
from services.adapters.registry import DIALECTS
from services.catalog.catalog import load
from services.messages.intake import read
from tests.messages.claude_code import body
from tests.talking import MODELS

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CATALOG = load()


def calls(number: int) -> list[Json]:
    """A call, its result, what the assistant makes of it, and what the user says to that."""
    use = {"type": "tool_use", "id": f"toolu_{number:05}", "name": "Bash", "input": {"z": number, "a": 2.50}}
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "ok"}
    done = {"role": "assistant", "content": "Done."}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}, done, go_on(number)]


def go_on(number: int) -> Json:
    """What the user says, with a marker."""
    return {
        "role": "user",
        "content": [{"type": "text", "text": f"go on {number}", "cache_control": {"type": "ephemeral"}}],
    }


def written(model: str, *, turns: int = 2, number: int = 1) -> bytes:
    """What a provider is sent of a conversation of so many turns."""
    messages = [message for turn in range(turns) for message in calls(turn)]
    for message in messages[:-1]:  # clients mark the last one only
        if isinstance(message["content"], list):
            message["content"][0].pop("cache_control", None)
    call = read(body(model, messages, turn=number), {}).call
    target = carry.own_lane(call, CATALOG.resolve(model, unlisted=True)[0])
    prepared, _ = carry.prepare(call, target, target.dialect, f"k-{target.dialect}")
    return DIALECTS[target.dialect].request(prepared, target).body


def digests() -> dict[str, str]:
    """A hash for every model."""
    return {model: hashlib.sha256(written(model)).hexdigest() for model in MODELS}


def test_another_process_writes_the_same_bytes():
    """Nothing depends on the order of a set, or on an address."""
    code = "import json; from tests.messages.test_messages_stable import digests; print(json.dumps(digests()))"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PYTHONHASHSEED": "12345"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout) == digests()


@pytest.mark.parametrize("model", MODELS)
def test_only_the_end_grows_from_turn_to_turn(model):
    """All that stood before the last turn is the same in the next one, though the billing block varies."""
    before, after = written(model, number=1), written(model, turns=3, number=2)
    if model.startswith("anthropic/"):  # which alone gets the block, and knows to leave it out
        assert before.count(b"cch=00001") == after.count(b"cch=00002") == 1
        after = after.replace(b"cch=00002", b"cch=00001")
    turns = [json.loads(each) for each in (before, after)]
    for name in ("messages", "contents", "input"):
        if name in turns[0]:
            shorter, longer = (each.pop(name) for each in turns)
            kept = len(shorter) - 1  # all but the last turn
            assert json.dumps(longer[:kept]) == json.dumps(shorter[:kept])
    assert turns[0] == turns[1]
    assert [*turns[0]] == [*turns[1]]
