"""What the Gemini dialect reads out of an answer, whole and streamed, under every chunking."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.gemini import Gemini
from services.catalog.schema import Provider, Target
from services.vocabulary.call import Call, CustomTool, FunctionTool, Message, Text, Tool
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    HostedItem,
    ReasoningDelta,
    ReasoningSealed,
    SearchDone,
    SearchStarted,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage

Json = dict[str, Any]

USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14}
USED = UsageReported(Usage(input=10, output=4))


def call_of(*tools: Tool, stream: bool = True) -> Call:
    return Call(model="m", items=[Message("user", [Text("Hi")])], tools=list(tools), stream=stream)


def target_of(model: str = "gemini-2.5-flash") -> Target:
    row = Provider(id="vertex", name="Google Vertex AI", dialect="gemini", base_url="http://upstream")
    return Target(provider=row, dialect="gemini", model=model, upstream=model)


def chunk(*parts: Json, finish: str | None = None, usage: Json | None = None, **candidate: Any) -> Json:
    answer: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **candidate}
    if finish:
        answer["finishReason"] = finish
    return {"candidates": [answer], "usageMetadata": usage or USAGE, "modelVersion": "m"}


def sse(*chunks: Json) -> bytes:
    return "".join(f"data: {json.dumps(one, ensure_ascii=False)}\r\n\r\n" for one in chunks).encode()


def streamed(data: bytes, size: int = 0, call: Call | None = None, model: str = "gemini-2.5-flash") -> list[Event]:
    dialect, call = Gemini(), call or call_of()
    framer, decoder = dialect.framing(call)(), dialect.decoder(call, target_of(model))
    events: list[Event] = []
    step = size or len(data) or 1
    for start in range(0, len(data), step):
        for frame in framer.feed(data[start : start + step]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return [*events, *decoder.close()]


def whole(body: Json, call: Call | None = None, model: str = "gemini-2.5-flash") -> list[Event]:
    return list(Gemini().answer(json.dumps(body).encode(), call or call_of(stream=False), target_of(model)))


@pytest.mark.parametrize("size", [1, 2, 7, 0])
def test_text_in_chunks_under_every_chunking(size: int):
    data = sse(chunk({"text": "Zwölf "}), chunk({"text": "\u2028Boxkämpfer"}), chunk({"text": ""}, finish="STOP"))
    assert streamed(data, size) == [TextDelta("Zwölf "), TextDelta("\u2028Boxkämpfer"), USED, Finished("stop")]


CASES: list[tuple[str, list[Json], list[Event]]] = [
    (
        "a thought is reasoning",
        [chunk({"text": "Hm.", "thought": True}), chunk({"text": "Yes."}, finish="STOP")],
        [ReasoningDelta("Hm."), TextDelta("Yes."), USED, Finished("stop")],
    ),
    (
        "a signed call is preceded by its signature",
        [
            chunk({"text": "Hm.", "thought": True}),
            chunk({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "S"}, finish="STOP"),
        ],
        [
            ReasoningDelta("Hm."),
            ReasoningSealed("S", "function_call"),
            ToolCallStarted("call-0", "", "f"),
            ToolCallDelta("call-0", '{"a":1}'),
            ToolCallDone("call-0"),
            USED,
            Finished("tool_calls"),
        ],
    ),
    (
        "parallel calls, with an id where there is one, and without arguments",
        [
            chunk(
                {"functionCall": {"name": "f", "id": "x1"}}, {"functionCall": {"name": "f", "args": {}}}, finish="STOP"
            )
        ],
        [
            ToolCallStarted("call-0", "x1", "f"),
            ToolCallDelta("call-0", "{}"),
            ToolCallDone("call-0"),
            ToolCallStarted("call-1", "", "f"),
            ToolCallDelta("call-1", "{}"),
            ToolCallDone("call-1"),
            USED,
            Finished("tool_calls"),
        ],
    ),
    (
        "a signed text that begins is preceded by its signature",
        [chunk({"text": "Yes.", "thoughtSignature": "S"}, finish="STOP")],
        [ReasoningSealed("S", "text"), TextDelta("Yes."), USED, Finished("stop")],
    ),
    (
        "a signature that comes with the end of a text follows it",
        [chunk({"text": "Ye"}), chunk({"text": "s.", "thoughtSignature": "S"}, finish="STOP")],
        [TextDelta("Ye"), TextDelta("s."), ReasoningSealed("S", "text_end"), USED, Finished("stop")],
    ),
    (
        "a signature on an empty part follows the text",
        [chunk({"text": "Yes."}), chunk({"text": "", "thoughtSignature": "S"}, finish="STOP")],
        [TextDelta("Yes."), ReasoningSealed("S", "empty"), USED, Finished("stop")],
    ),
    (
        "a signature on a thought closes it",
        [chunk({"text": "Hm.", "thought": True, "thoughtSignature": "S"}, {"text": "Yes."}, finish="STOP")],
        [ReasoningDelta("Hm."), ReasoningSealed("S", "thought"), TextDelta("Yes."), USED, Finished("stop")],
    ),
    (
        "an answer without parts that ran into the limit",
        [{"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}], "usageMetadata": USAGE}],
        [USED, Finished("length")],
    ),
    (
        "an answer that a filter took",
        [{"candidates": [{"finishReason": "SAFETY", "safetyRatings": []}], "usageMetadata": USAGE}],
        [USED, Finished("content_filter")],
    ),
    (
        "a prompt that was blocked",
        [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"trafficType": "ON_DEMAND"}}],
        [UsageReported(Usage()), Finished("content_filter")],
    ),
    (
        "every chunk says STOP, as older models do",
        [chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, finish="STOP")],
        [TextDelta("a"), TextDelta("b"), USED, Finished("stop")],
    ),
]


@pytest.mark.parametrize(("chunks", "events"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("size", [1, 2, 7, 0])
def test_streams(chunks: list[Json], events: list[Event], size: int):
    """A stream gives the same events however its bytes arrive."""
    assert streamed(sse(*chunks), size) == events


@pytest.mark.parametrize(("chunks", "events"), [case[1:] for case in CASES if len(case[1]) == 1])
def test_a_whole_answer_says_what_its_stream_would_have_said(chunks: list[Json], events: list[Event]):
    assert whole(chunks[0]) == events


def test_arguments_keep_their_order_and_numbers_and_lose_only_blanks():
    body = b"""{"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {
        "z": 9007199254740993, "a": [1.50, "x  y"]
    }}}]}, "finishReason": "STOP"}]}"""
    events = Gemini().answer(body, call_of(), target_of())
    assert events[1] == ToolCallDelta("call-0", '{"z":9007199254740993,"a":[1.50,"x  y"]}')


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"input": "*** Begin"}, "*** Begin"),
        ({"patch": "x"}, '{"patch":"x"}'),
        ({"input": 1}, '{"input":1}'),
        ([1], "[1]"),
    ],
)
def test_a_call_of_a_custom_tool_is_its_one_text(args: Json, text: str):
    events = whole(
        chunk({"functionCall": {"name": "patch", "args": args}}, finish="STOP"), call_of(CustomTool("patch"))
    )
    assert events[:2] == [ToolCallStarted("call-0", "", "patch", custom=True), ToolCallDelta("call-0", text)]


def test_a_name_that_travelled_changed_comes_back_as_the_client_wrote_it():
    events = whole(
        chunk({"functionCall": {"name": "_2-fast", "args": {}}}, finish="STOP"), call_of(FunctionTool("2-fast"))
    )
    assert events[0] == ToolCallStarted("call-0", "", "2-fast")


def test_log_probabilities_have_the_shape_of_openai():
    result = {
        "chosenCandidates": [{"token": "Yé", "logProbability": -0.5, "tokenId": 1}],
        "topCandidates": [
            {"candidates": [{"token": "Yé", "logProbability": -0.5}, {"token": "No", "logProbability": -2.0}]}
        ],
    }
    events = whole(chunk({"text": "Hm.", "thought": True}, {"text": "Yé"}, finish="STOP", logprobsResult=result))
    delta = events[1]
    assert isinstance(delta, TextDelta)
    assert delta.logprobs is not None
    assert msgspec.json.decode(delta.logprobs) == [
        {
            "token": "Yé",
            "logprob": -0.5,
            "bytes": [89, 195, 169],
            "top_logprobs": [
                {"token": "Yé", "logprob": -0.5, "bytes": [89, 195, 169]},
                {"token": "No", "logprob": -2.0, "bytes": [78, 111]},
            ],
        }
    ]


# ---- search ----------------------------------------------------------------------------------------------------------

TEXT = "Zürich ist groß. Bern nicht."
GROUNDING = {
    "webSearchQueries": ["", "zürich", "bern"],
    "groundingChunks": [{"web": {"uri": "https://a.example", "title": "a"}}, {"web": {"uri": "https://b.example"}}],
    "groundingSupports": [
        {"segment": {"endIndex": 18, "text": "Zürich ist groß."}, "groundingChunkIndices": [0, 1]},
        {"segment": {"startIndex": 19, "endIndex": 30, "text": "Bern nicht."}, "groundingChunkIndices": [1, 7]},
    ],
}
CITED: list[Event] = [
    Citation("https://a.example", "a", start=0, end=16),
    Citation("https://b.example", start=0, end=16),
    Citation("https://b.example", start=17, end=28),
]
SEARCHED: list[Event] = [
    SearchStarted("search-0"),
    SearchDone("search-0", "zürich", ["https://a.example", "https://b.example"]),
    SearchStarted("search-1"),
    SearchDone("search-1", "bern"),
]


@pytest.mark.parametrize(("model", "charged"), [("gemini-2.5-flash", 1), ("gemini-3-flash-preview", 2)])
def test_searches_and_citations_of_a_whole_answer(model: str, charged: int):
    events = whole(chunk({"text": TEXT}, finish="STOP", groundingMetadata=GROUNDING), model=model)
    usage = UsageReported(Usage(input=10, output=4, web_searches=charged))
    assert events == [*SEARCHED, TextDelta(TEXT), *CITED, usage, Finished("stop")]


def test_searches_told_at_the_end_of_a_stream_follow_the_text_and_its_signature():
    first, last = chunk({"text": TEXT[:9]}, groundingMetadata={}), {"text": TEXT[9:], "thoughtSignature": "S"}
    events = streamed(sse(first, chunk(last, finish="STOP", groundingMetadata=GROUNDING)))
    text = [TextDelta(TEXT[:9]), TextDelta(TEXT[9:])]
    assert events[:-2] == [*text, *CITED, ReasoningSealed("S", "text_end"), *SEARCHED]


def test_repeated_grounding_is_told_once():
    chunks = [
        chunk({"text": TEXT}, groundingMetadata=GROUNDING),
        chunk({"text": ""}, finish="STOP", groundingMetadata=GROUNDING),
    ]
    assert streamed(sse(*chunks))[:-2] == [*SEARCHED, TextDelta(TEXT), *CITED]


@pytest.mark.parametrize(
    ("segment", "place"),
    [
        ({"startIndex": 3, "endIndex": 14, "text": "Bern nicht."}, (17, 28)),  # counted from its own part
        ({"startIndex": 900, "endIndex": 910, "text": "nowhere"}, (None, None)),
        ({"startIndex": 19, "endIndex": 30}, (17, 28)),
    ],
)
def test_a_segment_is_found_by_its_words_when_its_bytes_do_not_fit(segment: Json, place: Any):
    found = {
        "groundingChunks": [{"web": {"uri": "u"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
    cited = whole(chunk({"text": TEXT}, finish="STOP", groundingMetadata=found))[1]
    assert isinstance(cited, Citation)
    assert (cited.start, cited.end) == place


def test_sources_without_supports_are_cited_for_the_whole_text():
    chunks = [
        {"retrievedContext": {"title": "notes.txt", "fileSearchStore": "stores/1"}},
        {"retrievedContext": {"text": "x"}},
    ]
    events = whole(chunk({"text": "a"}, finish="STOP", groundingMetadata={"groundingChunks": chunks}))
    assert events[1] == Citation(file_id="stores/1", filename="notes.txt")
    assert isinstance(events[2], UsageReported)


# ---- parts of Google's own tools -------------------------------------------------------------------------------------


def test_code_that_ran_and_images_are_items_of_their_own():
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"someFuturePart": {}},
        {"text": "Done."},
    ]
    events = whole(chunk(*parts, finish="STOP"))
    items = [json.loads(bytes(event.raw)) for event in events if isinstance(event, HostedItem)]
    assert [item["type"] for item in items] == ["code_interpreter_call", "image_generation_call"]
    assert (items[0]["code"], items[0]["outputs"]) == ("print(1)", [{"type": "logs", "logs": "1\n"}])
    assert (items[1]["result"], items[1]["output_format"]) == ("AAAA", "png")
    assert events[2] == TextDelta("Done.")


# ---- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"promptTokenCount": 10, "candidatesTokenCount": 4}, Usage(input=10, output=4)),
        (
            {"promptTokenCount": 10, "cachedContentTokenCount": 8, "candidatesTokenCount": 1},
            Usage(input=2, cache_read=8, output=1),
        ),
        ({"promptTokenCount": 10, "thoughtsTokenCount": 5}, Usage(input=10, output=5, reasoning=5)),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 3, "candidatesTokenCount": 1}, Usage(input=13, output=1)),
        ({"promptTokenCount": 10, "cachedContentTokenCount": 12, "candidatesTokenCount": None}, Usage(cache_read=10)),
    ],
)
def test_usage_is_in_disjoint_classes(counts: Json, usage: Usage):
    assert whole(chunk({"text": "a"}, finish="STOP", usage=counts))[1] == UsageReported(usage)


def test_counts_are_cumulative_and_a_later_chunk_may_leave_some_out():
    counts = [
        {"promptTokenCount": 10, "cachedContentTokenCount": 4},
        {"promptTokenCount": 10, "candidatesTokenCount": 2},
    ]
    data = sse(chunk({"text": "a"}, usage=counts[0]), chunk({"text": "b"}, finish="STOP", usage=counts[1]))
    assert streamed(data)[2] == UsageReported(Usage(input=6, cache_read=4, output=2))


# ---- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        *((word, "content_filter") for word in ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((word, "content_filter") for word in ("MODEL_ARMOR", "IMAGE_SAFETY", "LANGUAGE")),
    ],
)
def test_finish_reasons(word: str, reason: str):
    """Each of Google's reasons, in our word."""
    assert whole(chunk({"text": "a"}, finish=word))[-1] == Finished(reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "SOME_FUTURE_REASON"])
def test_a_generation_that_failed_is_an_error_with_googles_words(word: str):
    with pytest.raises(UpstreamError) as error:
        streamed(sse(chunk(finish=word, finishMessage="Malformed: f(")))
    assert (error.value.kind, error.value.message, error.value.code) == (Kind.FAILED, "Malformed: f(", word)


@pytest.mark.parametrize("size", [1, 7, 0])
def test_a_stream_cut_anywhere_is_an_error_and_never_a_short_answer(size: int):
    data = sse(chunk({"text": "Hello"}), chunk({"text": " you"}), chunk({"text": "."}, finish="STOP"))
    complete = data.index(b'"finishReason"')
    for end in range(complete):
        with pytest.raises(UpstreamError) as error:
            streamed(data[:end], size)
        assert error.value.kind in (Kind.TRUNCATED, Kind.PROTOCOL)


@pytest.mark.parametrize(
    "data",
    [b"data: {\r\n\r\n", b"data: [1]\r\n\r\n", b'data: {"candidates":[{"content":7}]}\r\n\r\n', b"data: \xff\r\n\r\n"],
)
def test_what_is_no_chunk_is_a_protocol_error(data: bytes):
    with pytest.raises(UpstreamError) as error:
        streamed(data)
    assert error.value.kind is Kind.PROTOCOL


def test_an_error_in_place_of_a_chunk_is_raised_as_what_it_is():
    failure = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    with pytest.raises(UpstreamError) as error:
        streamed(sse(chunk({"text": "Hel"}), failure))
    assert (error.value.kind, error.value.message) == (Kind.UNAVAILABLE, "The model is overloaded.")


@pytest.mark.parametrize("body", [b"{}", b'{"candidates":[]}', b'{"candidates":null,"usageMetadata":{}}'])
def test_a_whole_answer_that_says_nothing_is_an_error(body: bytes):
    with pytest.raises(UpstreamError) as error:
        Gemini().answer(body, call_of(), target_of())
    assert error.value.kind is Kind.TRUNCATED
