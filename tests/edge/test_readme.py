"""What the README promises, as it is printed there."""

import os
import re
import subprocess
import sys

import pytest

from tests.gateway import ROOT, Gateway

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
CURLS = [text for language, text in BLOCKS if (language == "sh" and "curl http" in text) or "curl -N" in text]
PYTHON = [text for language, text in BLOCKS if language == "python"]


def run(command: list[str], block: str, gateway: Gateway) -> str:
    """Runs a block with the gateway's port and key in place of the printed ones."""
    block = re.sub(r"^export .*$", "", block, flags=re.MULTILINE).replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}")
    env = {"PATH": os.environ["PATH"], "CONCENTRATE_API_KEY": gateway.key}
    return subprocess.run(command, input=block, env=env, capture_output=True, text=True, check=True, timeout=60).stdout


SAID = ['"text":"What is the capital of France?"', "data: [DONE]"]


@pytest.mark.parametrize(("block", "expected"), list(zip(CURLS, SAID, strict=True)))
def test_the_curls_answer(gateway: Gateway, block: str, expected: str):
    """Pasted into a shell."""
    assert expected in run(["sh", "-e"], block, gateway)


@pytest.mark.parametrize("block", PYTHON)
def test_the_python_answers(gateway: Gateway, block: str):
    """With the official SDK."""
    assert run([sys.executable, "-"], block, gateway) == "What is the capital of France?\n"
