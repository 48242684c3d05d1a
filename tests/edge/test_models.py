"""Every path of the Models API through the real Envoy, with all providers configured."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import anthropic
import grpc
import httpx
import openai
import pytest
from concentrate.models.v1 import models_service_pb2 as pb
from concentrate.models.v1.models_service_pb2_grpc import ModelsServiceStub

from tests.edge.test_openapi import check
from tests.gateway import Gateway

TEN = {"openai", "anthropic", "vertex", "bedrock", "azure", "xai", "cohere", "mistral", "cloudflare", "huggingface"}


@pytest.fixture(scope="module")
def client(full: Gateway) -> Iterator[httpx.Client]:
    """Without a key: these paths need none."""
    with httpx.Client(base_url=f"{full.url}/v1/models") as made:
        yield made


def get(client: httpx.Client, path: str) -> Any:
    """The JSON of a 200."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def test_the_list_has_150_models_of_ten_providers(client: httpx.Client):
    """In the documented shape, and always in the same order."""
    listed = get(client, "")
    check(listed, "ListModelsResponse")
    assert len(listed["data"]) >= 150
    assert {provider for model in listed["data"] for provider in model["providers"]} >= TEN
    assert client.get("").content == client.get("/").content


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("gpt-5.4", "gpt-5.4"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("gemini-3.1-pro", "gemini-3.1-pro-preview"),
        ("gpt-5.4-2026-03-05", "gpt-5.4"),
        ("openai/gpt-5.4", "gpt-5.4"),
        ("openai%2Fgpt-5.4", "gpt-5.4"),
        ("ms-azure/gpt-5.4", "gpt-5.4"),
        ("hf/meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("cf/@cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("cf%2F%40cf%2Fmeta%2Fllama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("cf/%40cf/meta/llama-3.3-70b-instruct-fp8-fast", "llama-3.3-70b"),
        ("sandbox/echo", "sandbox/echo"),
    ],
)
def test_a_model_is_found_by_each_of_its_names(client: httpx.Client, name: str, slug: str):
    """Slugs, aliases, snapshots, `provider/model`, with slashes as they are or encoded."""
    found = get(client, f"/{name}")
    check(found, "ModelDetail")
    assert found["slug"] == slug


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("gpt-5.4/providers/azure", "gpt-5.4"),
        ("gpt-5.4/providers/ms-azure", "gpt-5.4"),
        ("openai/gpt-5.4/providers/azure", "gpt-5.4"),
        ("llama-3.3-70b/providers/cf", "@cf/meta/llama-3.3-70b-instruct-fp8-fast"),
        ("hf/meta-llama/Llama-3.3-70B-Instruct/providers/aws", "us.meta.llama3-3-70b-instruct-v1:0"),
    ],
)
def test_a_model_at_a_provider(client: httpx.Client, path: str, upstream: str):
    """The model and the provider by any of their names."""
    found = get(client, f"/{path}")
    check(found, "ModelOffer")
    assert found["upstream_id"] == upstream


def test_prices_are_numbers(client: httpx.Client):
    """Dollars for a million tokens, with a tier for long calls where there is one."""
    pricing = get(client, "/claude-opus-4-6/providers/anthropic")["pricing"]
    assert pricing["tokens"]["input"] == {"price": {"USD": 5}, "units": 1000000}
    assert pricing["tokens"]["cache"]["write"]["ephemeral_1h_input_tokens"]["price"] == {"USD": 10}
    assert pricing["tool_calls"]["web_search"] == {"price": {"USD": 10}, "units": 1000}
    (tier,) = get(client, "/gpt-5.4/providers/openai")["pricing"]["tokens"]["tiers"]
    assert tier["above"] == 272000


def test_promises_and_ends_are_told(client: httpx.Client):
    """Zero data retention with its page, and the day from which a provider no longer promises a model."""
    assert get(client, "/claude-opus-4-6/providers/bedrock")["zdr"]["policy"].startswith("https://")
    assert get(client, "/claude-opus-4-6/providers/anthropic")["zdr"] is False
    assert get(client, "/o1/providers/openai")["deprecated_at"] == "2026-10-23"


def test_the_providers(client: httpx.Client):
    """A bare array, with the names they may be called."""
    providers = get(client, "/providers")
    assert {provider["slug"] for provider in providers} >= TEN
    for provider in providers:
        check(provider, "ProviderName")
    (azure,) = [provider for provider in providers if provider["slug"] == "azure"]
    assert {"microsoft", "ms-azure"} <= set(azure["aliases"])


def test_the_models_of_a_provider_and_of_an_author(client: httpx.Client):
    """Bare arrays of details: with that provider alone, and with all of them."""
    offered = get(client, "/providers/aws/models")
    assert len(offered) > 30
    assert {slug for model in offered for slug in model["providers"]} == {"bedrock"}
    made = get(client, "/authors/meta")
    assert {model["author"]["slug"] for model in made} == {"meta"}
    assert {"bedrock", "cloudflare"} <= {slug for model in made for slug in model["providers"]}
    for model in (*offered, *made):
        check(model, "ModelDetail")
    assert get(client, "/authors/meta?context_window.gte=1000000") != made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("author.slug=anthropic", lambda model: model["owned_by"] == "anthropic"),
        ("max_input_tokens.gte=1000000", lambda model: (model["max_input_tokens"] or 0) >= 1_000_000),
        ("capabilities.image_input.supported=true", lambda model: model["capabilities"]["image_input"]["supported"]),
        (
            "owned_by=xai&created.gt=1780000000",
            lambda model: model["owned_by"] == "xai" and model["created"] > 1_780_000_000,
        ),
    ],
)
def test_filters(client: httpx.Client, query: str, expected: Any):
    """What passes is what the rows say, and something does."""
    everything = get(client, "")["data"]
    passing = get(client, f"?{query}")
    assert passing["data"] == [model for model in everything if expected(model)]
    assert 0 < len(passing["data"]) < len(everything)
    assert passing["first_id"] == passing["data"][0]["id"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("?colour=red", 400, "colour"),
        ("?context_window.gte=wide", 400, "context_window.gte"),
        ("/providers/azure/models?colour=red", 400, "colour"),
        ("/authors/meta?colour=red", 400, "colour"),
        ("/gpt-5.44", 404, "`gpt-5.4`"),
        ("/openai/gpt-5.44", 404, "`openai/gpt-5.4`"),
        ("/meta-llama/nothing/of/the/kind", 404, "meta-llama/nothing"),
        ("/gpt-5.4/providers/cohere", 404, "by openai, azure"),
        ("/gpt-5.4/providers/azur", 404, "`azure`"),
        ("/nothing/providers/azure", 404, "nothing"),
        ("/providers/azur/models", 404, "`azure`"),
        ("/authors/metta", 404, "`meta`"),
        ("/" + "x" * 3000, 404, "not offered"),
    ],
)
def test_errors_name_what_is_wrong(client: httpx.Client, path: str, status: int, said: str):
    """In the shape of every error, with the parameter or the nearest names."""
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    check(answer.json(), "Error")
    assert said in json.dumps(answer.json())


@pytest.mark.parametrize(
    "path", ["", "?owned_by=xai", "/gpt-5.4", "/gpt-5.4/providers/azure", "/providers", "/authors/meta"]
)
def test_what_the_client_has_is_not_sent_again(client: httpx.Client, path: str):
    """304 for its tag, also among others or weak; the answer for another one."""
    first = client.get(path)
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = client.get(path, headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in again.headers
    assert client.get(path, headers={"if-none-match": '"other"'}).content == first.content


def test_a_304_leaves_the_connection_usable(full: Gateway):
    """It has no body and announces none, so the next answer on the connection is read right."""
    with socket.create_connection(("127.0.0.1", full.port), timeout=10) as connection:
        received = b""
        connection.sendall(
            b"GET /v1/models HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\n\r\n"
            b"GET /v1/responses/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        while piece := connection.recv(65536):
            received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 304")
    assert rest.startswith(b"HTTP/1.1 200")
    assert rest.endswith(b'{"status":"healthy"}')


def test_the_sdks_read_the_list_and_the_detail(full: Gateway):
    """OpenAI's and Anthropic's, each in its own terms; their extra parameters are no filters."""
    with openai.OpenAI(base_url=f"{full.url}/v1", api_key="none") as sdk:
        assert {"gpt-5.4", "claude-opus-4-6"} <= {model.id for model in sdk.models.list()}
        assert sdk.models.retrieve("openai/gpt-5.4").owned_by == "openai"
    with anthropic.Anthropic(base_url=full.url, api_key="none") as sdk:
        assert "claude-opus-4-6" in {model.id for model in sdk.models.list(limit=5)}
        assert sdk.models.retrieve("claude-opus-4-6").display_name == "Claude Opus 4.6"
        assert sdk.beta.models.retrieve("claude-opus-4-6").created_at.year == 2026


def test_grpc_clients_get_the_same(full: Gateway, client: httpx.Client):
    """All six calls, with filters and errors."""
    with grpc.insecure_channel(f"127.0.0.1:{full.port}") as channel:
        stub = ModelsServiceStub(channel)
        listed = stub.ListModels(pb.ListModelsRequest(filters=["owned_by=xai", "created.gt=1780000000"]))
        assert [each.id for each in listed.data] == [
            each["id"] for each in get(client, "?owned_by=xai&created.gt=1780000000")["data"]
        ]
        detail = stub.GetModel(pb.GetModelRequest(model="openai/gpt-5.4")).model
        assert (detail.slug, detail.providers["azure"].pricing.tokens.input.price.usd) == ("gpt-5.4", 2.5)
        offer = stub.GetModelProvider(pb.GetModelProviderRequest(model="gpt-5.4", provider="ms-azure")).offer
        assert offer == detail.providers["azure"]
        assert "azure" in {each.slug for each in stub.ListProviders(pb.ListProvidersRequest()).providers}
        offered = stub.ListProviderModels(pb.ListProviderModelsRequest(provider="xai", filters=["quality.tier=5"]))
        assert [each.slug for each in offered.models] == ["grok-4.7"]
        assert stub.ListAuthorModels(pb.ListAuthorModelsRequest(author="xai")).models[0].author.slug == "xai"
        with pytest.raises(grpc.RpcError) as raised:
            stub.ListModels(pb.ListModelsRequest(filters=["colour=red"]))
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetModel(pb.GetModelRequest(model="gpt-5.44"))
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND
