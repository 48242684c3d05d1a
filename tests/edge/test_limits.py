"""Rate limits as clients see them: headers on every answer, and one that says when to come again."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import openai
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tests.gateway import Gateway, serving, together

TIERS = """
default:
  requests_per_minute: 60
  input_tokens_per_minute: 1000
  output_tokens_per_minute: 50_000
  concurrent_requests: 3
"""
NAMES = {f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset") for kind in ("requests", "tokens")}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers, whose buckets are the same."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "tiers.yaml").write_text(TIERS)
    with serving(folder, CONCENTRATE_TIERS=str(folder / "tiers.yaml"), WORKERS="2", PING_SECONDS="0.3") as gateway:
        yield gateway


def ask(gateway: Gateway, text: str = "Hello", *, status: int = 200, **more) -> httpx.Response:
    body = {"model": "sandbox/echo", "input": text, **more}
    answer = httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body)
    assert answer.status_code == status, answer.text
    return answer


def left(answer: httpx.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining-requests"])


def stub(gateway: Gateway) -> tuple[ResponsesServiceStub, list[tuple[str, str]]]:
    return ResponsesServiceStub(grpc.insecure_channel(f"127.0.0.1:{gateway.port}")), [
        ("authorization", f"Bearer {gateway.key}")
    ]


def test_every_answer_has_the_headers(limited: Gateway):
    """Whole, streamed, and of a stream that had to begin before its provider; each one request less, whoever served."""
    began = time.monotonic()
    first = ask(limited)
    assert first.headers.keys() >= NAMES
    assert first.headers["x-ratelimit-limit-requests"] == "60"
    assert first.headers["x-ratelimit-limit-tokens"] == "1000"
    assert 0 < int(first.headers["x-ratelimit-remaining-tokens"]) < 1000
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    whole = [left(ask(limited)) for _ in range(4)]
    streamed = ask(limited, stream=True)
    flowed = 1 + int(time.monotonic() - began)  # one a second comes back
    late = ask(limited, "Hello [[wait 700]]", stream=True)
    assert late.text.startswith(":"), "a ping came first"
    assert late.headers.keys() >= NAMES
    counts = [left(first), *whole, left(streamed)]
    assert 5 - flowed <= counts[0] - counts[-1] <= 5


def test_clients_of_anthropic_find_what_they_look_for(limited: Gateway):
    """On its surface there are both families."""
    body = {"model": "sandbox/echo", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx.post(f"{limited.url}/v1/messages", headers=limited.headers, json=body)
    assert answer.status_code == 200, answer.text
    kinds, facts = ("requests", "tokens", "input-tokens", "output-tokens"), ("limit", "remaining", "reset")
    theirs = {f"anthropic-ratelimit-{kind}-{fact}" for kind in kinds for fact in facts}
    assert answer.headers.keys() >= NAMES | theirs
    assert answer.headers["anthropic-ratelimit-output-tokens-limit"] == "50000"
    assert not ask(limited).headers.keys() & theirs


def test_errors_have_them_too(limited: Gateway):
    """The provider's, ours, and those of a request that cannot be read, which does not count. Also what goes on elsewhere."""
    assert ask(limited, status=404, model="no-such-model").headers.keys() >= NAMES
    before = left(ask(limited, "[[error 500]]", status=424))
    for path in ("responses", "chat/completions", "messages"):
        for body in (b"{", b'{"model": "sandbox/echo", "input": 5, "messages": 5}'):
            answer = httpx.post(f"{limited.url}/v1/{path}", headers=limited.headers, content=body)
            assert answer.status_code == 400, answer.text
            assert answer.headers.keys() >= NAMES
            assert left(answer) >= before
    assert ask(limited, background=True).headers.keys() >= NAMES
    for body, status in (
        ({"model": "sandbox/echo", "input": "Hello"}, 200),
        ({"model": "sandbox/echo", "input": 5}, 400),
    ):
        answer = httpx.post(f"{limited.url}/v1/responses/compact", headers=limited.headers, json=body)
        assert (answer.status_code, answer.headers.keys() >= NAMES) == (status, True), answer.text
        assert "," not in answer.headers["x-ratelimit-limit-requests"]


def test_a_request_that_can_never_fit_is_told_so(limited: Gateway):
    """With the numbers, as an error of ours and not of the provider."""
    answer = ask(limited, "word " * 3000, status=429)
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert "input tokens; the limit of the key is 1000 per minute" in error["message"]
    assert answer.headers.keys() >= NAMES | {"retry-after", "retry-after-ms"}
    assert error["retry_after"] == int(answer.headers["retry-after"]) == 60


async def test_no_more_are_under_way_than_may_be(limited: Gateway):
    """Whichever worker has them; when they end others come in. A client that leaves frees its place too."""
    async with httpx.AsyncClient(base_url=limited.url, headers=limited.headers) as client:

        async def one(text: str, patience: float = 30) -> int | None:
            body = {"model": "sandbox/echo", "input": text}
            try:
                return (await client.post("/v1/responses", json=body, timeout=patience)).status_code
            except httpx.ReadTimeout:
                return None

        answers = await asyncio.gather(*(one("Hello [[wait 1500]]") for _ in range(6)))
        assert sorted(answers) == [200] * 3 + [429] * 3
        assert await asyncio.gather(*(one("Hello [[wait 60000]]", 1) for _ in range(3))) == [None] * 3
        async with asyncio.timeout(30):
            while await asyncio.gather(*(one("Hello [[wait 100]]") for _ in range(3))) != [200] * 3:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


def test_a_limit_is_the_same_whichever_worker_answers(limited: Gateway):
    """A minute's worth and not one more, and then the SDKs wait as long as they are told."""
    answers: list[httpx.Response] = []
    with httpx.Client(headers=limited.headers) as client:
        while not answers or answers[-1].status_code == 200:
            body = {"model": "sandbox/echo", "input": "a"}
            answers.append(client.post(f"{limited.url}/v1/responses", json=body))
    assert answers[-1].status_code == 429
    assert left(answers[-2]) <= 1
    error = answers[-1].json()["error"]
    assert error["message"].startswith("Rate limit of the key: 60 requests per minute, of which 0 are left.")
    assert (error["retry_after"], answers[-1].headers["retry-after"]) == (1, "1")
    assert 0 < int(answers[-1].headers["retry-after-ms"]) <= 1000
    with openai.OpenAI(base_url=f"{limited.url}/v1", api_key=limited.key, max_retries=2) as client:
        assert client.responses.create(model="sandbox/echo", input="at last").output_text == "at last"


def test_grpc_clients_are_told_in_their_own_way(limited: Gateway):
    """RetryInfo in the status; the numbers in metadata, as REST clients have them in headers."""
    responses, key = stub(limited)
    request = CreateResponseRequest(model="sandbox/echo", input_text="Hello")
    calls = []

    def ask_on() -> None:
        while True:
            calls.append(responses.CreateResponse.with_call(request, metadata=key)[1])

    with pytest.raises(grpc.RpcError) as refused:
        ask_on()
    error = refused.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    trailing = dict(error.trailing_metadata())
    assert trailing.keys() >= NAMES
    info, retry = ErrorInfo(), RetryInfo()
    for detail in Status.FromString(trailing["grpc-status-details-bin"]).details:
        _ = detail.Unpack(info) or detail.Unpack(retry)
    assert (info.reason, retry.retry_delay.seconds) == ("RATE_LIMIT_EXCEEDED", 1)
    for call in calls:
        assert dict(call.initial_metadata()).keys() >= NAMES


def test_limits_of_a_key_are_managed_while_it_is_used(limited: Gateway):
    """Soon they hold in all workers; wrong ones are refused with what is wrong."""
    with httpx.Client(base_url=f"{limited.url}/v1", headers=limited.headers) as admin:
        made = admin.post("/keys", json={"name": "slow", "limits": {"requests_per_minute": 2}}).json()
        user = {"authorization": f"Bearer {made['key']}"}

        def asked() -> httpx.Response:
            return admin.post("/responses", headers=user, json={"model": "sandbox/echo", "input": "Hello"})

        assert [asked().status_code for _ in range(3)] == [200, 200, 429]
        changed = admin.patch(f"/keys/{made['id']}", json={"limits": {"requests_per_minute": 1000}})
        assert changed.status_code == 200, changed.text
        limits: list[str] = []
        deadline = time.monotonic() + 30
        while limits[-6:] != ["1000"] * 6:  # of both workers
            assert time.monotonic() < deadline, limits
            limits.append(asked().headers["x-ratelimit-limit-requests"])
            time.sleep(0.02)
        wrong = admin.patch(f"/keys/{made['id']}", json={"limits": {"tier": "golden"}})
        assert wrong.status_code == 400
        assert "there is no tier `golden`" in wrong.json()["error"]["message"]


async def test_gateways_on_one_redis_let_in_one_limit(redis_url: str, tmp_path: Path):
    """Both are asked at once for all of it, and each tells how much is left of what both have."""
    tiers = tmp_path / "tiers.yaml"
    tiers.write_text("default: {requests_per_minute: 40}")
    shared = {
        "CONCENTRATE_DATA_DIR": str(tmp_path / "data"),
        "REDIS_URL": redis_url,
        "CONCENTRATE_TIERS": str(tiers),
    }
    (tmp_path / "other").mkdir()
    with together(serving(tmp_path, shared), serving(tmp_path / "other", shared)) as (one, other):
        begun = time.monotonic()
        async with httpx.AsyncClient(headers=one.headers) as client:

            async def ask_on(gateway: Gateway) -> list[httpx.Response]:
                body = {"model": "sandbox/echo", "input": "a"}
                return [await client.post(f"{gateway.url}/v1/responses", json=body) for _ in range(35)]

            answers = [each for some in await asyncio.gather(ask_on(one), ask_on(other)) for each in some]
        admitted = [answer for answer in answers if answer.status_code == 200]
        assert {answer.status_code for answer in answers} == {200, 429}
        flowed = 40 * (time.monotonic() - begun) / 60
        assert (
            40 <= len(admitted) <= 40 + 2 * flowed
        )  # twice: where Redis answers late, a gateway goes by what it last heard
        assert "not shared" not in one.log.read_text() + other.log.read_text()
