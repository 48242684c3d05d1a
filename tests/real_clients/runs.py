"""One client, one provider: a script of the shared folder, its verdict, and what the provider refused meanwhile."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.gateway import Gateway
from tests.shared_replay import SHARED

PROVIDERS = (
    "openai",
    "anthropic",
    "azure",
    "vertex",
    "gemini",
    "bedrock",
    "xai",
    "cohere",
    "mistral",
    "huggingface",
    "cloudflare",
)
MODEL = "actor-large"


CLIENTS: Mapping[str, tuple[str, dict[str, str]]] = {
    "Claude Code": ("run_claude_code.sh", {}),
    "Claude Code (bare)": ("run_claude_code.sh", {"BARE": "1"}),
    "Codex": ("run_codex.sh", {}),
    "Codex (WebSocket)": ("run_codex.sh", {"WS": "1"}),
    "Cursor's shape": ("run_cursor_shape.sh", {}),
    "Python SDKs": ("run_pysdk.sh", {}),
    "JavaScript SDKs": ("run_jssdk.sh", {}),
}


class Result(NamedTuple):
    """said: the script's last line. refused: what the provider refused."""

    ok: bool
    said: str
    refused: list[str]

    @property
    def cell(self) -> str:
        """For the table: how many checks passed, where there are several."""
        counted = re.search(r"(\d+)\s*(?:/|of)\s*(\d+)", self.said)
        if counted and counted[0] and "usage" not in self.said:
            return f"{counted[1]}/{counted[2]}"
        return "yes" if self.ok else "**no**"


class Runs:
    """Runs clients against one gateway."""

    def __init__(self, gateway: Gateway, actor: str, clients: Path) -> None:
        self._gateway = gateway
        self._actor = actor
        self._clients = clients

    def run(self, client: str, provider: str) -> Result:
        """One client, with one provider behind the gateway."""
        script, options = CLIENTS[client]
        httpx.delete(f"{self._actor}/_/requests")
        environment = {
            "PATH": os.environ["PATH"],
            "BASE_URL": self._gateway.url,
            "API_KEY": self._gateway.key,
            "MODEL": f"{provider}/{MODEL}",
            "CLIENTS_DIR": str(self._clients),
            **options,
        }
        done = subprocess.run(
            ["bash", str(SHARED / "clients" / script)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = done.stdout.strip().splitlines() or [""]
        refused = [
            f"{request['path']}: {request['status']} {request['problem']}"
            for request in httpx.get(f"{self._actor}/_/requests").json()["requests"]
            if request.get("problem")
        ]
        result = Result(done.returncode == 0, lines[-1], refused)
        sys.stderr.write(f"{provider:12} {client:18} {result.cell:8} {lines[-1][:200]}\n")
        for line in [*lines[:-1], *refused] if not result.ok else refused:
            if "FAIL" in line or line in refused:
                sys.stderr.write(f"{'':32}{line[:300]}\n")
        sys.stderr.flush()
        return result
