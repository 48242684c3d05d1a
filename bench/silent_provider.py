"""Whether Claude Code waits for a provider that says nothing for a minute: the real program, the gateway, and a silent fake.

    CLIENTS_DIR=… python -m bench.silent_provider [seconds]

Claude Code may not repeat anything itself, so one request to the provider and an answer mean that nobody lost patience.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.edge.test_messages import Anthropic
from tests.fake_provider import serve
from tests.gateway import serving
from tests.shared_replay import SHARED

SECONDS = 65.0


def main() -> int:
    """Prints what Claude Code says, how long it took, and how often the provider was asked."""
    silent_s = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as folder, serve(Anthropic()) as fake:
        assert isinstance(fake, Anthropic)
        fake.silent_s = silent_s
        with serving(Path(folder), {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": fake.url}) as gateway:
            asked = {"BASE_URL": gateway.url, "API_KEY": gateway.key, "MODEL": "anthropic/claude-opus-4-8"}
            patient = {"EXPECT_TOOL": "0", "PROMPT": "say hi", "RETRIES": "0", "TIMEOUT": str(int(silent_s) + 100)}
            script = SHARED / "clients" / "run_claude_code.sh"
            began = time.monotonic()
            ended = subprocess.run([script], env={**os.environ, **asked, **patient}, check=False)
            lasted = time.monotonic() - began
    sys.stdout.write(f"{lasted:.1f} s, {len(fake.seen)} request to the provider\n")
    return int(ended.returncode != 0 or len(fake.seen) != 1)


if __name__ == "__main__":
    sys.exit(main())
