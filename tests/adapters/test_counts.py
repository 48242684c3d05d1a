"""The request for an answer, made into one for its count."""

import base64
import json

import pytest

from services.adapters.dialects import counts
from services.adapters.registry import DIALECTS
from services.catalog.catalog import load
from tests.responses.kit import call_of

CATALOG = load()
CALL = call_of(
    instructions="Be brief.",
    tools=[{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}],
    temperature=0.5,
    max_output_tokens=50,
)
DIALECT = {"bedrock/claude-haiku-4-5": "anthropic_bedrock"}

ASKED = {
    "anthropic/claude-haiku-4-5": ("/v1/messages/count_tokens", {"model", "messages", "system", "tools"}),
    "vertex/claude-haiku-4-5": (
        "/models/count-tokens:rawPredict",
        {"anthropic_version", "model", "messages", "system", "tools"},
    ),
    "bedrock/claude-haiku-4-5": (
        "/model/global.anthropic.claude-haiku-4-5-20251001-v1%3A0/count-tokens",
        {"input"},
    ),
    "gemini/gemini-2.5-pro": ("/models/gemini-2.5-pro:countTokens", {"generateContentRequest"}),
    "vertex/gemini-2.5-pro": ("/models/gemini-2.5-pro:countTokens", {"contents", "systemInstruction", "tools"}),
    "openai/gpt-5.5": ("/responses/input_tokens", {"model", "input", "instructions", "tools"}),
}


@pytest.mark.parametrize("model", ASKED)
def test_a_count_is_asked_with_what_it_counts(model):
    """The prompt and the tools; nothing of how the answer should be, which these calls refuse."""
    target = CATALOG.resolve(model)[0]
    name = DIALECT.get(model, target.dialect)
    request = counts.asking(name, DIALECTS[name].request(CALL, target), target)
    assert request is not None
    path, fields = ASKED[model]
    assert (request.path, set(json.loads(request.body)), request.query) == (path, fields, {})


def test_bedrock_counts_an_invoke_body():
    """In base64, and with `max_tokens`, which such a body must have."""
    target = CATALOG.resolve("bedrock/claude-haiku-4-5")[0]
    request = counts.asking("anthropic_bedrock", DIALECTS["anthropic_bedrock"].request(CALL, target), target)
    assert request is not None
    invoked = json.loads(base64.b64decode(json.loads(request.body)["input"]["invokeModel"]["body"]))
    assert {"anthropic_version", "max_tokens", "messages"} <= invoked.keys()


@pytest.mark.parametrize("model", ["mistral/mistral-large-latest", "cohere/command-a-03-2025", "bedrock/nova-pro"])
def test_the_others_do_not_count(model):
    """Their prompts are reckoned by size."""
    target = CATALOG.resolve(model, unlisted=True)[0]
    assert counts.asking(target.dialect, DIALECTS[target.dialect].request(CALL, target), target) is None


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"input_tokens": 3}', 3),
        (b'{"inputTokens": 0}', 0),
        (b'{"totalTokens": 5, "promptTokensDetails": []}', 5),
        (b'{"object":"response.input_tokens","input_tokens":7}', 7),
        (b"{}", None),
        (b"<html>", None),
    ],
)
def test_counts_are_read_in_every_spelling(body, count):
    """Zero is a count; what is none is not."""
    assert counts.read(body) == count
