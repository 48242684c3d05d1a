"""An operator adds a provider, a model and a price with rows of YAML and no Python, and finds what is on the machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from services.catalog.catalog import load
from tests.fake_provider import Fake, Reply, serve
from tests.gateway import ROOT, Gateway, free_port, refused, serving

DOCUMENT = (ROOT / "docs" / "own-models.md").read_text()


def documented(fake: str) -> dict[str, Any]:
    """The rows of the page that tells people how to write them, with the provider at the fake."""
    rows: dict[str, Any] = yaml.safe_load(DOCUMENT.split("```yaml")[1].split("```")[0])
    rows["providers"][0]["base_url"] = f"{fake}/v1"
    return rows


def elsewhere(**ports: int) -> list[dict[str, Any]]:
    """Rows that look for every local server at a port of the test's, so that it does not matter what runs here."""
    return [{"id": server.id, "port": ports.get(server.id) or free_port()} for server in load().local]


@pytest.fixture(scope="module")
def provider() -> Iterator[Fake]:
    with serve(Fake()) as fake:
        yield fake


@pytest.fixture(scope="module")
def own(provider: Fake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Fake]]:
    """A gateway with rows of its own and a local server, and that server."""
    folder = tmp_path_factory.mktemp("own")
    with serve(Fake("llama3.2:latest", "qwen3:8b", owned_by="library")) as ollama:
        rows = documented(provider.url) | {"local": elsewhere(ollama=ollama.port)}
        (folder / "rows.yaml").write_text(yaml.safe_dump(rows))
        with serving(
            folder,
            CONCENTRATE_CONFIG=str(folder / "rows.yaml"),
            CONCENTRATE_DISCOVER_LOCAL="on",
            DEEPSEEK_API_KEY="deepseek-canary-1f2e3d\n",  # as read from a file
            HTTP_PROXY="http://127.0.0.1:9",  # a proxy elsewhere cannot reach a server here
        ) as gateway:
            yield gateway, ollama


def ask(gateway: Gateway, **body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json={"input": "Hi", **body})


@pytest.mark.parametrize(
    "model", ["deepseek-chat", "our-favourite", "deepseek/deepseek-chat", "deepseek/our-favourite"]
)
def test_a_whole_answer_through_a_row(own, provider, model):
    """By every name of the model: the provider is asked at the row's address, with its variable's secret."""
    answer = ask(own[0], model=model).json()
    assert answer["output"][0]["content"][0]["text"] == "Hello there"
    assert answer["model"] == "deepseek/deepseek-chat"
    assert answer["cost"]["total"] == pytest.approx((7 * 0.27 + 2 * 1.1) / 1e6)
    seen = provider.seen[-1]
    assert (seen.path, seen.headers["authorization"]) == ("/v1/chat/completions", "Bearer deepseek-canary-1f2e3d")
    assert (seen.json["model"], seen.json.get("stream", False)) == ("deepseek-chat", False)


def test_a_streamed_answer_through_a_row(own):
    """Streamed, with an official client."""
    gateway, _ = own
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key) as client:
        events = list(client.responses.create(model="deepseek/deepseek-chat", input="Hi", stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "Hello there"
    assert (events[-1].type, events[-1].response.usage.output_tokens) == ("response.completed", 2)


def test_an_error_of_the_provider_names_the_rows_variable(own, provider):
    """Who reads a 424 knows which variable to look at."""
    provider.reply = Reply(b'{"error": {"message": "Authentication Fails (no such user)"}}', status=401)
    try:
        answer = ask(own[0], model="deepseek-chat")
    finally:
        provider.reply = None
    assert answer.status_code == 424
    assert "DEEPSEEK_API_KEY" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_output_tokens": 8193}, "max_output_tokens"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a.png"}]}]},
         "input[0].content[0]"),
        ({"input": "much " * 200_000}, "input"),
    ],
    ids=["output", "image", "context"],
)  # fmt: skip
def test_a_request_over_a_limit_is_a_400_before_any_call(own, provider, body, param):
    """The limit is named, and the provider never hears of it."""
    before = len(provider.seen)
    answer = ask(own[0], model="deepseek-chat", **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["model"]) == (400, param, "deepseek/deepseek-chat")
    assert len(provider.seen) == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_on_this_machine_is_offered(own, stream):
    """`local/<model>` answers, whole and streamed, at price 0 and with no credential."""
    gateway, ollama = own
    answer = ask(gateway, model="local/llama3.2", stream=stream)
    if stream:
        (last,) = [line for line in answer.text.splitlines() if '"type":"response.completed"' in line]
        response = json.loads(last.removeprefix("data: "))["response"]
    else:
        response = answer.json()
    assert response["output"][0]["content"][0]["text"] == "Hello there"
    assert (response["model"], response["cost"]["total"]) == ("local/llama3.2:latest", 0)
    assert ollama.seen[-1].json["model"] == "llama3.2:latest"
    assert "authorization" not in ollama.seen[-1].headers


def test_all_of_them_are_listed(own):
    """The list of models holds our rows, the operator's and those of the local server."""
    listed = {model["id"]: model for model in httpx.get(f"{own[0].url}/v1/models").json()["data"]}
    assert {"sandbox/echo", "deepseek-chat", "local/llama3.2:latest", "local/qwen3:8b"} <= listed.keys()
    assert listed["local/qwen3:8b"]["providers"] == ["local"]
    assert listed["deepseek-chat"]["max_input_tokens"] == 131072


@pytest.mark.parametrize("model", ["deepseek-chat", "local/qwen3:8b", "local/llama3.2"])
def test_each_has_its_details(own, model):
    """The Models API knows them as it knows ours."""
    assert httpx.get(f"{own[0].url}/v1/models/{model}").status_code == 200


def test_a_local_model_that_is_not_there_is_a_404(own):
    """With the nearest name that is."""
    answer = ask(own[0], model="local/qwen3")
    assert answer.status_code == 404
    assert "`local/qwen3:8b`" in answer.json()["error"]["message"]


def test_the_documented_rows_are_right():
    """All of them are read, and the ports named are those that are looked at."""
    assert documented("http://x").keys() == {"providers", "models", "prices", "local"}
    assert all(str(server.port) in DOCUMENT and server.name in DOCUMENT for server in load().local)


def test_a_wrong_file_stops_the_start(tmp_path: Path):
    """`concentrate serve` ends at once with the file and the mistake, in a line or a few, and no traceback."""
    file = tmp_path / "rows.yaml"
    file.write_text("providers:\n  - id: x\n name: X")
    said = refused(tmp_path, PORT=str(free_port()), CONCENTRATE_CONFIG=str(file), CONCENTRATE_ACCESS_LOG="off")
    assert said.startswith(f"error: {file}: ")
    assert "line 3" in said
    assert len(said.splitlines()) < 6, said
    assert "Traceback" not in said
