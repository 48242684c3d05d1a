"""Providers that quote our credentials back at us, in every error they have: nothing of it reaches anybody."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fake_provider import Fake, Reply, Seen, serve
from tests.gateway import Gateway, serving

# Each ends in four letters that are in no other word.
KEYS = {
    "OPENAI_API_KEY": "sk-proj-canary8Y2hsQm4vTzq7X",
    "OPENAI_ORG_ID": "canary-organization-Kw3J",
    "ANTHROPIC_API_KEY": "sk-ant-api03-canary-R5tUjW9v",
    "AZURE_OPENAI_API_KEY": "0c4narya1b2c3d4e5f60718293a4Xk8Q",
    "GOOGLE_CLOUD_PROJECT": "canary-project-Jz5H",
    "VERTEX_ACCESS_TOKEN": "canary-vertex-token-Vb6N",
    "GEMINI_API_KEY": "AIzaSyCanary0123456789abcdefghijkHg4Z",
    "AWS_ACCESS_KEY_ID": "AKIACANARY0PQ7DZXYW4",
    "AWS_SECRET_ACCESS_KEY": "canary/secret+of/bedrock/Gq2K",
    "AWS_SESSION_TOKEN": "IQoJcanary+session/token==Wz7P",
    "XAI_API_KEY": "xai-canaryB7n2Kc5xTj6W",
    "CO_API_KEY": "canarycohereM3p9Rw4Y",
    "MISTRAL_API_KEY": "canarymistralF6d1Zh8K",
    "HF_TOKEN": "hf_canaryLs4gQn9Yx5Jz",
    "CLOUDFLARE_API_TOKEN": "canarycloudflareC8m2Xv7D",
    "CLOUDFLARE_ACCOUNT_ID": "0123canary456789abcdef01Bx9Fq",
    "OWN_PASSWORD_FOR_IT": "correct-canary-staple-Ym4T",
}
MODELS = {
    "openai": "openai/gpt-x",
    "anthropic": "anthropic/claude-x",
    "azure": "azure/gpt-x",
    "azure chat": "azure/mistral-x",
    "vertex": "vertex/gemini-x",
    "vertex claude": "vertex/claude-x",
    "gemini": "gemini/gemini-x",
    "bedrock": "bedrock/amazon.nova-x",
    "xai": "xai/grok-x",
    "cohere": "cohere/command-x",
    "mistral": "mistral/mistral-x",
    "huggingface": "huggingface/org/x",
    "cloudflare": "cloudflare/@cf/meta/x",
    "own": "own/x",
}
BEGUN = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "object": "response", "status": "x"}}
STREAMED = {  # an answer that begins well and fails with these words; by what the path of the request ends in
    "/responses": [BEGUN, {"type": "error", "message": "WORDS", "error": {"message": "WORDS", "code": "server_error"}}],
    "/v1/messages": [{"type": "error", "error": {"type": "overloaded_error", "message": "WORDS"}}],
    "RawPredict": [{"type": "error", "error": {"type": "api_error", "message": "WORDS"}}],
    "/chat/completions": [{"error": {"message": "WORDS", "code": 500}}],
    "GenerateContent": [{"error": {"code": 500, "message": "WORDS", "status": "INTERNAL"}}],
    "/chat": [{"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "WORDS"}}],
}


class Gossip(Fake):
    """Quotes what it was shown: whole, and in the ways in which providers think they hide it."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 401
        self.shape = "openai"

    def answer(self, seen: Seen) -> Reply:
        self.seen.append(seen)
        if self.shape == "stream":
            events = next(each for end, each in STREAMED.items() if end in seen.path)
            lines = [f"event: {e.get('type', 'x')}\ndata: {json.dumps(e)}\n\n" for e in events]
            told = json.dumps(words(seen, self.url))[1:-1]
            return Reply("".join(lines).replace("WORDS", told).encode(), headers={"content-type": "text/event-stream"})
        return Reply(SHAPES[self.shape](words(seen, self.url)), self.status)


SHAPES: dict[str, Any] = {
    "openai": lambda said: json.dumps({"error": {"message": said, "type": "x", "code": None, "param": None}}).encode(),
    "flat": lambda said: json.dumps({"message": said}).encode(),
    "text": lambda said: said.encode(),
    "list": lambda said: json.dumps([{"error": {"message": said, "status": "X"}}]).encode(),
    "errors": lambda said: json.dumps({"success": False, "errors": [{"code": 1, "message": said}]}).encode(),
}


def words(seen: Seen, url: str) -> str:
    """About every credential in the request, and where it went."""
    shown = [value for name, value in seen.headers.items() if "key" in name or "auth" in name or "security" in name]
    shown += [value for name, value in seen.headers.items() if name.startswith("openai-")]
    told = [f"Asked at {url}{seen.path}.", *(f"Header: {value}" for value in shown)]
    for secret in (value.removeprefix("Bearer ") for value in shown):
        head, tail = secret[:6], secret[-4:]
        told += [
            f"Incorrect API key provided: {secret}.",
            f"{head}…{tail}", f"{head}...{tail}", f"sk-…{tail}", f"{head}{'*' * 20}{tail}", f"'***{tail}'", f"••••{tail}",
            f"the key ending in {tail}", f"(ends with '{tail}')", f"{head}XXXXXXXX{tail}",
        ]  # fmt: skip
    return " ".join(told)


@pytest.fixture(scope="module")
def gossip() -> Iterator[Gossip]:
    with serve(Gossip()) as fake:
        yield fake  # type: ignore[misc]


@pytest.fixture(scope="module")
def gateway(gossip: Gossip, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("secrets")
    own = {"id": "own", "name": "Own", "dialect": "openai_chat", "base_url": f"{gossip.url}/own"}
    auth = {"scheme": "header", "header": "x-own-auth", "secret": ["OWN_PASSWORD_FOR_IT"]}
    (folder / "rows.yaml").write_text(json.dumps({"providers": [{**own, "auth": auth}]}))
    names = ("OPENAI", "ANTHROPIC", "AZURE", "VERTEX", "GEMINI", "BEDROCK", "XAI", "COHERE", "MISTRAL", "HUGGINGFACE")
    urls = {f"{name}_BASE_URL": f"{gossip.url}/{name.lower()}" for name in (*names, "CLOUDFLARE")}
    others = {"GOOGLE_CLOUD_LOCATION": "us-central1", "AWS_REGION": "us-east-1", "LOG_LEVEL": "debug"}
    allowed = {"CONCENTRATE_UNLISTED_MODELS": "allow", "CONCENTRATE_CONFIG": str(folder / "rows.yaml")}
    with serving(folder, {**KEYS, **urls, **others, **allowed}) as running:
        yield running


def leaked(text: str, gossip: Gossip) -> list[str]:
    """What of a text nobody should see: secrets, their last four letters, the address of the provider."""
    found = [secret for secret in KEYS.values() if secret in text]
    found += [secret[-4:] for secret in KEYS.values() if secret[-4:] in text]
    return found + re.findall(f".{{20}}(?:127\\.0\\.0\\.1|localhost)?:{gossip.port}.{{20}}", text)


@pytest.mark.parametrize("provider", MODELS)
def test_no_error_of_a_provider_gives_away_a_credential(gateway: Gateway, gossip: Gossip, provider: str):
    """Whatever the status and the shape of the error, whole and streamed; and no credential stands in a URL."""
    gossip.seen.clear()
    client = httpx.Client(base_url=gateway.url, headers=gateway.headers, timeout=30)
    for shape in (*SHAPES, "stream"):
        for status in (400, 401, 404, 429, 500) if shape != "stream" else (200,):
            gossip.shape, gossip.status = shape, status
            for stream in (False, True) if shape != "stream" else (True,):
                if shape == "stream" and provider == "bedrock":
                    continue  # its streams are no text
                body = {"model": MODELS[provider], "input": "Hi", "stream": stream}
                answer = client.post("/v1/responses", json=body)
                shown = f"{answer.headers} {answer.text}"
                assert leaked(shown, gossip) == [], (shape, status, stream, answer.text)
                assert "error" in answer.text
                assert answer.status_code in ((200,) if shape == "stream" else (400, 424)), answer.text
                if status == 401:
                    message = answer.json()["error"]["message"]
                    assert MODELS[provider].partition("/")[0] in message
                    assert "The operator should check " in message, message
    client.close()
    assert gossip.seen
    for seen in gossip.seen:
        ids = (KEYS["CLOUDFLARE_ACCOUNT_ID"], KEYS["GOOGLE_CLOUD_PROJECT"])  # belong into the paths of these two
        assert not [secret for secret in KEYS.values() if secret in seen.path and secret not in ids]
        assert gateway.key not in f"{seen.path} {seen.headers} {seen.body!r}"


def test_nothing_of_it_is_in_the_logs(gateway: Gateway, gossip: Gossip):
    """Access log and all processes, at the level that says most."""
    gossip.shape, gossip.status = "openai", 401
    for model in MODELS.values():
        httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json={"model": model, "input": "Hi"})
    gateway.stop()
    written = gateway.log.read_text()
    assert written.count('"logger":"access"') >= len(MODELS)
    assert [secret for secret in (*KEYS.values(), gateway.key) if secret in written] == []
    assert leaked(written, gossip) == []
