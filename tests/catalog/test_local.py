"""What the lists of servers on this machine become."""

import json
from typing import Any

import pytest

from services.catalog.catalog import Catalog, load
from services.catalog.local import Found, LocalModel, read_list, server_row
from services.catalog.reading import Rows
from services.catalog.schema import Auth, Facts, LocalServer, Model, Offer, Provider
from services.errors import ModelNotFound

OLLAMA = LocalServer("ollama", "Ollama", 11434)
VLLM = LocalServer("vllm", "vLLM", 8000, owned_by="vllm", quirks={"developer_role": True})
EMPTY = Catalog(Rows([], [], local=[OLLAMA, VLLM]))


def listed(*models: dict[str, Any]) -> bytes:
    return json.dumps({"object": "list", "data": list(models)}).encode()


def names(server: LocalServer, *models: dict[str, Any]) -> list[str]:
    return [model.name for model in read_list(server, listed(*models))]


def test_the_usual_servers_are_known():
    """Each has its usual port, and no two the same."""
    ports = {server.id: server.port for server in load().local}
    assert ports == {"ollama": 11434, "lmstudio": 1234, "vllm": 8000, "llamacpp": 8080, "llamacpp-2": 8081}


def test_a_list_in_openais_form_is_read():
    """Ids are taken as they are, and vLLM's limit with them."""
    given = {"id": "org/m", "object": "model", "owned_by": "vllm", "max_model_len": 4096, "permission": []}
    assert read_list(VLLM, listed(given)) == [LocalModel("org/m", "org/m", 4096)]


def test_a_list_of_another_program_is_left_alone():
    """On a port that many use, models of another owner are not the server's that is looked for."""
    assert names(VLLM, {"id": "a", "owned_by": "litellm"}, {"id": "b"}, {"id": "c", "owned_by": "vllm"}) == ["b", "c"]
    assert names(OLLAMA, {"id": "a", "owned_by": "library"}, {"id": "b", "owned_by": "somebody"}) == ["a", "b"]


@pytest.mark.parametrize("id", ["/srv/models/m.gguf", "C:\\models\\m.gguf"])
def test_a_path_is_named_by_its_end(id: str):
    """A model that is known by the path of its file is asked for by the path, and named without it."""
    assert read_list(OLLAMA, listed({"id": id})) == [LocalModel("m.gguf", id)]


def test_what_cannot_be_a_name_is_left_out():
    """No blanks, control characters, or novels."""
    assert names(OLLAMA, *({"id": id} for id in ("", "a b", "a\nb", "/", "x" * 300, "ok"))) == ["ok"]


def test_models_that_do_not_talk_are_left_out():
    """Embedding and reranking models stand in the same lists."""
    ids = ("nomic-embed-text:latest", "text-embedding-nomic-embed-text-v1.5", "bge-m3", "all-minilm", "qwen3-reranker")
    assert names(OLLAMA, *({"id": id} for id in (*ids, "qwen3:8b", "gemma3"))) == ["qwen3:8b", "gemma3"]


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"<html>", b"[]", b"{}", b'{"data": 1}', b'{"data": [1]}', b'{"data": [{}]}', b"\xff\xfe"]
)
def test_anything_else_is_no_list(body: bytes):
    """Whatever else listens on the port, nothing is offered and nothing fails."""
    assert read_list(OLLAMA, body) == []


def test_models_are_offered_under_local():
    """`local/<model>` is asked at its server, for free and without a credential; the bare name is not taken."""
    known = EMPTY.with_local([Found(OLLAMA, [LocalModel("m", "m")]), Found(VLLM, [LocalModel("o/n", "o/n", 9)])])
    (m,), (n,) = known.resolve("local/m"), known.resolve("local/o/n")
    assert (m.id, m.upstream, m.base_url) == ("local/m", "m", "http://127.0.0.1:11434/v1")
    assert (n.id, n.base_url, n.facts, n.quirks) == (
        "local/o/n", "http://127.0.0.1:8000/v1", Facts(context=9), {"developer_role": True},
    )  # fmt: skip
    assert {target.provider.auth.scheme for target in (m, n)} == {"none"}
    assert {target.provider.prices for target in (m, n)} == {"free"}
    assert list(known.models) == ["local/m", "local/o/n"]
    with pytest.raises(ModelNotFound):
        known.resolve("m")


def test_the_default_tag_may_be_left_out():
    """`local/m` is Ollama's `m:latest`, unless some server has a model of just that name."""
    latest, plain = LocalModel("m:latest", "m:latest"), LocalModel("m", "m")
    (target,) = EMPTY.with_local([Found(OLLAMA, [latest])]).resolve("local/m")
    assert (target.id, target.upstream) == ("local/m:latest", "m:latest")
    (target,) = EMPTY.with_local([Found(OLLAMA, [latest]), Found(VLLM, [plain])]).resolve("local/m")
    assert target.id == "local/m"


def test_of_two_servers_with_the_same_model_the_first_counts():
    """The order is that of the rows."""
    both = [Found(OLLAMA, [LocalModel("m", "m")]), Found(VLLM, [LocalModel("m", "m")])]
    (target,) = EMPTY.with_local(both).resolve("local/m")
    assert target.provider == server_row(OLLAMA)


def test_names_of_rows_are_not_taken():
    """A row that names its model `local/…` keeps it, and a provider `local` keeps all of them."""
    mine = Provider("mine", "Mine", "openai_chat", "http://gpu:1/v1", auth=Auth("none"))
    row = Model("local/m", "me", "2026-01-01", [Offer("mine")])
    known = Catalog(Rows([mine], [row])).with_local([Found(OLLAMA, [LocalModel("m", "m")])])
    assert [target.id for target in known.resolve("local/m")] == ["mine/local/m"]
    taken = Catalog(Rows([Provider("local", "Mine", "openai_chat", "http://gpu:1/v1", auth=Auth("none"))], []))
    assert taken.with_local([Found(OLLAMA, [LocalModel("m", "m")])]) is taken


def test_where_nothing_is_found_the_error_says_what_was_looked_for():
    """Somebody who forgot to start Ollama is told so."""
    with pytest.raises(ModelNotFound, match="it needs Ollama on port 11434 or vLLM on port 8000"):
        EMPTY.with_local([]).resolve("local/m")


def test_what_goes_away_is_forgotten():
    """A catalogue is made from its rows again, not from the last one."""
    known = EMPTY.with_local([Found(OLLAMA, [LocalModel("m", "m")])]).with_local([])
    assert not known.models
