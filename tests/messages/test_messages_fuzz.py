"""Whatever a client sends, it is a call or an error that says what is wrong; and what is a call can be written or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters import carry
from services.adapters.registry import DIALECTS
from services.catalog.catalog import load
from services.errors import InvalidRequest
from services.messages.intake import read

CATALOG = load()
MODELS = ("anthropic/claude-haiku-4-5", "bedrock/claude-opus-4-8", "openai/gpt-5.5", "gemini/gemini-3-pro-preview")

words = st.sampled_from(["", " ", "a", "cn1.p.s.k.b", "cn1.", "https://a.example", "base64", "é\u2028"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | words
marker = st.sampled_from([None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])
source = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "file", "text", "content", "x"])},
    optional={"media_type": words, "data": words, "url": words, "file_id": words, "content": words},
)
KINDS = [
    *("text", "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking"),
    *("compaction", "tool_reference", "server_tool_use", "web_search_tool_result", "container_upload", "x"),
]


def block(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    named = ("text", "thinking", "signature", "data", "name", "id", "tool_name")
    fields: dict[str, st.SearchStrategy[object]] = dict.fromkeys(named, words)
    fields |= {"tool_use_id": words, "input": st.sampled_from([{}, {"a": 1}, [], None]), "is_error": st.booleans()}
    fields |= {"source": source | words, "content": words | st.lists(inner, max_size=2), "cache_control": marker}
    return st.fixed_dictionaries({"type": st.sampled_from(KINDS)}, optional=fields)


blocks = st.recursive(scalars, block, max_leaves=3)
message = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": words | st.lists(blocks, max_size=3)}
)
body = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.just(9), "messages": st.lists(message, max_size=4)},
    optional={
        "system": words | st.lists(blocks, max_size=2),
        "thinking": st.sampled_from(
            [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}]
        ),
        "cache_control": marker,
        "container": words,
        "metadata": st.fixed_dictionaries({"user_id": words}),
    },
)


@pytest.mark.parametrize("model", MODELS)
def test_any_body_is_written_or_refused(model):
    """Never a fault of ours, whatever the blocks hold."""

    @given(body)
    def check(given_body: object) -> None:
        try:
            reading = read(json.dumps(given_body).encode(), {"anthropic-beta": "a"})
            target = carry.own_lane(reading.call, CATALOG.resolve(model, unlisted=True)[0])
            prepared, losses = carry.prepare(reading.call, target, target.dialect, "s")
            request = DIALECTS[target.dialect].request(prepared, target)
        except InvalidRequest as error:
            assert error.message
            return
        json.loads(request.body)
        assert all(reading.places.loss(loss).param for loss in (*losses, *request.losses))

    check()
