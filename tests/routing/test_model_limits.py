"""What a model cannot take is refused with the limit's name; what it might take is not."""

import json
import time
from typing import Any

import pytest

from services.catalog.catalog import Catalog
from services.catalog.reading import Rows
from services.catalog.schema import Auth, Facts, Model, Offer, Provider
from services.errors import InvalidRequest
from services.responses import intake
from services.routing.limits import Demand
from tests.routing.kit import plan_in

PROVIDERS = [Provider(name, name, "openai_chat", "http://x", auth=Auth("none")) for name in ("one", "two")]
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
PDF = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
TEXT = {"type": "input_text", "text": "Look"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
SCHEMA = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}


def say(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Hi"}, {"role": "user", "content": list(parts)}]


def planned(*facts: Facts, typed: bool = False, **body: Any) -> list[str]:
    """The providers of the plan, when providers one and two offer the model with these facts."""
    offers = [Offer(provider.id, facts=fact) for provider, fact in zip(PROVIDERS, facts, strict=False)]
    catalog = Catalog(Rows(PROVIDERS, [Model("m", "a", "2026-01-01", offers)]))
    call = intake.read(json.dumps({"model": "m", "input": "Hi", **body}).encode())
    return [target.provider.id for target in plan_in(call, catalog).targets]


REFUSED = [
    ("tools", Facts(tools=False), {"tools": [{"type": "web_search"}, TOOL]}, "tools[1]", "one/m has no tools"),
    ("custom", Facts(tools=False), {"tools": [{"type": "custom", "name": "c"}]}, "tools[0]", "has no tools"),
    ("schema", Facts(tools=False, json_schema=False), {"text": SCHEMA}, "text.format", "JSON schema"),
    ("image", Facts(images=False), {"input": say(TEXT, IMAGE)}, "input[1].content[1]", "takes no images"),
    ("pdf", Facts(pdfs=False), {"input": say(PDF)}, "input[1].content[0]", "takes no PDF"),
    (
        "pdf by url",
        Facts(pdfs=False),
        {"input": say({"type": "input_file", "file_url": "https://x.example/A.PDF?a=b"})},
        "input[1].content[0]",
        "takes no PDF",
    ),
    (
        "image of a tool",
        Facts(images=False),
        {"input": [CALL, {"type": "function_call_output", "call_id": "c", "output": [IMAGE]}]},
        "input[1].output[0]",
        "takes no images",
    ),
    ("output", Facts(max_output=100), {"max_output_tokens": 101}, "max_output_tokens", "at most 100 tokens, and 101"),
    ("words", Facts(context=100), {"input": "word " * 101}, "input", "100 tokens, and the input is at least 101"),
    ("one word", Facts(context=100), {"input": "a" * 1616}, "input", "at least 101"),
    ("bytes", Facts(context=100), {"input": "字" * 540}, "input", "at least 101"),
    ("instructions", Facts(context=100), {"instructions": "a bc def " * 60}, "input", "at least 181"),
    (
        "of a tool",
        Facts(context=100),
        {"input": [CALL, {"type": "function_call_output", "call_id": "c", "output": "a b c " * 80}]},
        "input",
        "at least 241",
    ),
]


@pytest.mark.parametrize(
    ("facts", "body", "param", "message"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_a_model_cannot_take_is_refused_by_name(facts: Facts, body: dict[str, Any], param: str, message: str):
    """With the limit, the parameter and the model; and nothing else is refused for it."""
    with pytest.raises(InvalidRequest, match=message) as error:
        planned(facts, **body)
    assert (error.value.param, error.value.model) == (param, "one/m")
    assert planned(Facts(), **body) == ["one"]


@pytest.mark.parametrize(
    ("facts", "body"),
    [
        (Facts(tools=False), {"tools": [{"type": "web_search"}]}),
        (Facts(tools=False), {"text": SCHEMA}),
        (Facts(json_schema=False), {"text": SCHEMA}),
        (Facts(images=False, pdfs=False), {"input": say(TEXT)}),
        (Facts(pdfs=False), {"input": say({"type": "input_file", "file_id": "file_1"})}),
        (Facts(pdfs=False), {"input": say({"type": "input_file", "file_data": "data:text/plain;base64,AAAA"})}),
        (Facts(images=True, pdfs=True, tools=True), {"input": say(IMAGE, PDF), "tools": [TOOL]}),
        (Facts(max_output=100), {"max_output_tokens": 100}),
        (Facts(max_output=100), {}),
        (Facts(context=100), {"input": "word " * 100}),
        (Facts(context=100), {"input": " " * 100_000}),
        (Facts(context=100), {"input": "a" * 1600}),
        (Facts(context=100), {"input": say({**IMAGE, "image_url": "data:image/png;base64," + "A" * 100_000})}),
        (Facts(context=100), {"input": "word " * 1000, "truncation": "auto"}),
        (Facts(context=100), {"input": "word " * 1000, "context_management": [{"type": "compaction"}]}),
    ],
)
def test_what_it_might_take_is_not(facts: Facts, body: dict[str, Any]):
    """Unknown facts, other kinds of parts, and sizes that could fit, restrict nothing."""
    assert planned(facts, **body) == ["one"]


def test_a_target_that_cannot_is_passed_over():
    """Of several offers those remain that can; with none left, the first one's reason is given."""
    assert planned(Facts(images=False), Facts(images=True), input=say(IMAGE)) == ["two"]
    assert planned(Facts(max_output=10), Facts(max_output=20), max_output_tokens=5) == ["one", "two"]
    with pytest.raises(InvalidRequest, match="one/m takes no images"):
        planned(Facts(images=False), Facts(max_output=5), input=say(IMAGE), max_output_tokens=6)


def test_calls_without_the_clients_json_are_judged_alike():
    """A typed request has no body of the client's to measure."""
    call = intake.read(json.dumps({"model": "m", "input": "word " * 101}).encode())
    assert Demand(call).exceeds(100)
    import msgspec

    assert Demand(msgspec.structs.replace(call, native=None)).exceeds(100)


def test_it_costs_next_to_nothing():
    """A long conversation is planned in microseconds, with every limit known."""
    items = [{"role": "user", "content": "How are you today? " * 20}, {"role": "assistant", "content": "Fine. " * 20}]
    call = intake.read(json.dumps({"model": "m", "input": items * 200, "max_output_tokens": 5}).encode())
    facts = Facts(context=200_000, max_output=8192, images=True, pdfs=True, tools=True)
    catalog = Catalog(Rows(PROVIDERS, [Model("m", "a", "2026-01-01", [Offer("one", facts=facts)])]))
    best = min(_seconds(lambda: plan_in(call, catalog)) for _ in range(20))
    assert best < 200e-6


def _seconds(work: Any) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
