"""Memory stays where it is, whatever requests come to."""

from pathlib import Path

import httpx

from tests.fake_provider import Fake, Reply, serve
from tests.gateway import serving

IMAGE = "data:image/png;base64," + "A" * (10 << 20)
TIMES = 8


def test_requests_that_failed_leave_nothing_behind(tmp_path: Path):
    """A provider that is down meets clients that send long conversations again and again."""
    fake = Fake("new")
    fake.reply = Reply(b'{"error":{"message":"slow down"}}', 429)
    given = {
        "OPENAI_API_KEY": "canary-key-1",
        "CONCENTRATE_UNLISTED_MODELS": "allow",
    }  # what no row lists does not rest
    with serve(fake), serving(tmp_path, given, OPENAI_BASE_URL=f"{fake.url}/v1") as gateway:
        content = [{"type": "input_image", "image_url": IMAGE}]

        def fail(number: int) -> int:
            body = {"model": "openai/new", "input": [{"role": "user", "content": content}], "stream": number % 2 == 0}
            fake.seen.clear()
            return httpx.post(f"{gateway.url}/v1/responses", json=body, headers=gateway.headers, timeout=30).status_code

        assert {fail(number) for number in range(TIMES)} == {424}
        workers = gateway.workers()
        before = resident_mib(workers)
        assert {fail(number) for number in range(2 * TIMES)} == {424}
        assert resident_mib(workers) < before + 10 * 10  # the heap keeps a few bodies; 16 would be left behind


def resident_mib(pids: list[int]) -> int:
    """Memory of some processes."""
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) >> 10 for status in statuses)
