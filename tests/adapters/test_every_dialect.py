"""What every dialect must do, whatever its provider's format. A dialect in the registry without fixtures fails here.

Answers: the same events however the bytes arrive, streamed or whole; truncation and malformed frames are errors, never a
short success; the usage arrives once, before the end. Requests: nothing is lost in silence, nothing is refused without a
name, the same call gives the same bytes.
"""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.adapters.dialect import Kind, UpstreamError
from services.errors import InvalidRequest
from services.vocabulary.call import (
    Call,
    CustomTool,
    File,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    ReasoningOptions,
    Seal,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    WebSearchTool,
)
from services.vocabulary.event import Event, NativeEvent, ReasoningSealed, ToolCallStarted
from services.wire.frame import FramingError
from tests.adapters.conformance import (
    MEANINGS,
    NATIVE,
    REQUESTS,
    SCOPE,
    SUBJECTS,
    Case,
    Subject,
    asked,
    cases,
    check_grammar,
    event_stream,
    folded,
    meaning,
    results,
    said,
)

CASES = list(cases(SUBJECTS))
STREAMS = [*CASES, *cases(NATIVE)]
MODELS = {case.subject.id: case.model for case in CASES}
BROKEN = (UpstreamError, FramingError)

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_stream = pytest.mark.parametrize("case", STREAMS, ids=str)
every_dialect = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


@every_dialect
def test_a_dialect_has_a_fixture_of_every_case(subject: Subject) -> None:
    """tests/fixtures/<dialect>/ holds the same meanings for each."""
    assert {case.name for case in CASES if case.subject == subject} == set(REQUESTS) == set(MEANINGS)
    assert subject.dialect.name == subject.id


# ---- answers ---------------------------------------------------------------------------------------------------------


@every_case
def test_every_dialect_reads_the_same_meaning(case: Case) -> None:
    """Text, reasoning, calls, finish and usage classes are the same whoever says them, streamed or whole."""
    assert meaning(case.decode([case.stream()])) == case.means
    assert meaning(case.read()) == case.means


@every_case
def test_a_stream_and_a_whole_answer_fold_to_the_same(case: Case) -> None:
    """Not only the meaning but the events, once their pieces are joined."""
    assert folded(case.decode([case.stream()])) == folded(case.read())


@every_stream
@pytest.mark.parametrize("size", [1, 2, 7])
def test_events_do_not_depend_on_how_bytes_arrive(case: Case, size: int) -> None:
    """Chunk borders mean nothing, also inside a character or a checksum."""
    data = case.stream()
    assert case.decode(data[at : at + size] for at in range(0, len(data), size)) == case.decode([data])


@settings(max_examples=60)
@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 4000), max_size=8))
def test_events_do_not_depend_on_where_the_borders_are(case: Case, borders: list[int]) -> None:
    """Any cutting gives the same, empty chunks included."""
    data = case.stream()
    places = [0, *sorted(min(at, len(data)) for at in borders), len(data)]
    assert case.decode(data[a:b] for a, b in itertools.pairwise(places)) == case.decode([data])


@every_case
def test_the_order_of_events(case: Case) -> None:
    """Calls open and close in order, the usage comes exactly once and before the end, nothing follows."""
    check_grammar(case.decode([case.stream()]))
    check_grammar(case.read())


@every_stream
def test_truncation_is_never_a_short_success(case: Case) -> None:
    """Wherever the bytes end, the answer is an error, or all of it was there and only the frame's own end was missing."""
    data = case.stream()
    whole = case.decode([data])
    last = len(case.stream(case.frames[:-1]))
    near = {at for cut in range(len(case.frames)) for at in _around(len(case.stream(case.frames[:cut])))}
    for at in sorted({*range(0, len(data), 5), *near, *range(last, len(data))}):
        if at >= len(data):
            continue
        try:
            events = case.decode([data[:at]])
        except BROKEN as error:
            assert not isinstance(error, UpstreamError) or error.kind in {Kind.TRUNCATED, Kind.PROTOCOL}
        else:
            assert _bare(events) == _bare(whole), f"cut at byte {at} of {len(data)}: a short success"


def _around(at: int) -> range:
    return range(max(0, at - 3), at + 3)


def _bare(events: list[Event]) -> list[Event]:
    """Without what the native lane passes on verbatim after the end (`[DONE]`)."""
    return [event for event in events if not isinstance(event, NativeEvent)] or events


@every_stream
@pytest.mark.parametrize("payload", ["", "{", "[", "nul", '"text"', "7", "[]", '{"a":'])
def test_a_malformed_frame_is_an_error(case: Case, payload: str) -> None:
    """A frame that is not in the provider's format is never read over, unless it says nothing anyway (a ping)."""
    whole = case.decode([case.stream()])
    for index, (event, _) in enumerate(case.frames):
        if not payload and case.subject.writer is not event_stream:
            continue  # these framings drop an event without data themselves
        frames = [*case.frames[:index], (event, payload), *case.frames[index + 1 :]]
        try:
            events = case.decode([case.stream(frames)])
        except BROKEN:
            continue
        assert events == whole, f"frame {index} ({event}) became {payload!r} and nobody noticed"


@pytest.mark.parametrize("case", [case for case in CASES if case.subject.ends], ids=str)
def test_nothing_is_read_after_the_end(case: Case) -> None:
    """More frames after a complete answer change nothing, or are an error."""
    whole = case.decode([case.stream()])
    for extra in case.frames:
        try:
            events = case.decode([case.stream([*case.frames, extra])])
        except BROKEN:
            continue
        assert events == whole


@every_case
@pytest.mark.parametrize("body", ["", "{", "nul", "[]", "{}", "null", "7", "<html>Bad gateway</html>"])
def test_an_unreadable_answer_is_an_error(case: Case, body: str) -> None:
    """A whole answer that is none is told as such, never as an empty one."""
    with pytest.raises(UpstreamError) as raised:
        case.read(body)
    assert raised.value.kind in {Kind.PROTOCOL, Kind.TRUNCATED, Kind.FAILED}


# ---- damaged answers -------------------------------------------------------------------------------------------------

junk = st.sampled_from([None, True, 0, 1.5, "", "x", [], [None], ["x"], {}, {"x": 1}, [[]], [{}]])


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _places(child, (*path, index))


def _damaged(value: Any, path: tuple[Any, ...], instead: Any) -> Any:
    if not path:
        return instead
    value = copy.copy(value)
    value[path[0]] = _damaged(value[path[0]], path[1:], instead)
    return value


@given(st.data())
def test_a_damaged_answer_is_an_error_or_an_answer(data: st.DataObject) -> None:
    """One field replaced by anything: never another exception, never events out of order."""
    case = data.draw(st.sampled_from(CASES))
    path = data.draw(st.sampled_from(list(_places(case.answer))))
    try:
        events = case.read(json.dumps(_damaged(case.answer, path, data.draw(junk))))
    except UpstreamError:
        return
    check_grammar(events, counted=False)


@given(st.data())
def test_a_damaged_stream_is_an_error_or_an_answer(data: st.DataObject) -> None:
    """The same of a stream, where frames may also be missing, doubled or swapped."""
    case = data.draw(st.sampled_from(CASES))
    frames = list(case.frames)
    index = data.draw(st.integers(0, len(frames) - 1))
    match data.draw(st.sampled_from(["field", "field", "field", "missing", "doubled", "swapped"])):
        case "field":
            event, payload = frames[index]
            path = data.draw(st.sampled_from(list(_places(payload))))
            frames[index] = (event, json.dumps(_damaged(payload, path, data.draw(junk))))
        case "missing":
            del frames[index]
        case "doubled":
            frames.insert(index, frames[index])
        case _:
            other = data.draw(st.integers(0, len(frames) - 1))
            frames[index], frames[other] = frames[other], frames[index]
    try:
        events = case.decode([case.stream(frames)])
    except BROKEN:
        return
    check_grammar(events, counted=False)


@given(
    st.sampled_from(SUBJECTS),
    st.integers(400, 599),
    st.dictionaries(st.sampled_from(["retry-after", "x-amzn-errortype", "date", "content-type"]), st.text(max_size=20)),
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(["error", "message", "type", "code", "detail", "status"]), inner, max_size=4
                ),
            ),
            max_leaves=6,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_every_http_error_is_an_error_with_words(
    subject: Subject, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Reading an error never fails, whatever a proxy in between made of it."""
    error = subject.dialect.error(status, headers, body)
    assert isinstance(error, UpstreamError)
    assert error.message
    assert error.status == status
    assert error.retry_after is None or error.retry_after >= 0


@every_dialect
@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (400, {Kind.CALLER}),
        (401, {Kind.CREDENTIAL}),
        (403, {Kind.CREDENTIAL}),
        (429, {Kind.RATE_LIMITED}),
        (500, {Kind.UNAVAILABLE}),
        (502, {Kind.UNAVAILABLE}),
        (503, {Kind.UNAVAILABLE}),
        (504, {Kind.UNAVAILABLE, Kind.TIMEOUT}),
    ],
)
def test_whose_fault_a_status_is(subject: Subject, status: int, kinds: set[Kind]) -> None:
    """Without a word the status decides, alike for all."""
    assert subject.dialect.error(status, {}, b"").kind in kinds
    assert subject.dialect.error(429, {"retry-after": "7"}, b"{}").retry_after == 7


# ---- requests --------------------------------------------------------------------------------------------------------

HELLO = Message("user", [Text("Hello.")])
LOOK = FunctionTool(
    "look", "Looks.", msgspec.Raw(b'{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}')
)
PING = FunctionTool("ping")
SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"zz":{"type":"string"},"aa":{"type":"string"}},'
    b'"required":["zz","aa"],"additionalProperties":false}'
)
# base64 of distinct bytes, so that their place in the body can be seen
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjcKJcfsj6IKMQ=="


def call(**fields: Any) -> Call:
    return Call(**{"model": "any", "items": [HELLO], **fields})


@every_dialect
def test_the_same_call_gives_the_same_bytes(subject: Subject) -> None:
    """Prompt caches and retries depend on it."""
    given = call(tools=[LOOK, PING], instructions="Be brief.", reasoning=ReasoningOptions("low"), max_output_tokens=500)
    first, second = (asked(subject, MODELS[subject.id], given)[0] for _ in range(2))
    assert first == second
    json.loads(first.body)


OPTIONS: dict[str, Any] = {
    "instructions": "Be brief.",
    "tools": [LOOK],
    "max_output_tokens": 500,
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 7,
    "stop": ["END"],
    "format": Format("json_schema", "shape", SCHEMA, strict=True),
    "verbosity": "low",
    "reasoning": ReasoningOptions("high"),
    "top_logprobs": 3,
    "truncation": "auto",
    "user": "u-1",
    "safety_identifier": "s-1",
    "service_tier": "flex",
    "prompt_cache_key": "k-1",
    "prompt_cache_retention": "24h",
}
PARAMS = {
    "format": "text.format",
    "verbosity": "text.verbosity",
    "reasoning": "reasoning.effort",
}


@every_dialect
@pytest.mark.parametrize("field", OPTIONS)
def test_an_option_is_carried_or_reported(subject: Subject, field: str) -> None:
    """What the client asks for changes the request, or stands among the losses, or is refused by its name."""
    plain, _ = asked(subject, MODELS[subject.id], call())
    param = PARAMS.get(field, field)
    try:
        request, losses = asked(subject, MODELS[subject.id], call(**{field: OPTIONS[field]}))
    except InvalidRequest as error:
        assert (error.param or "").startswith(param)
        return
    reported = any(loss.param.startswith(param) for loss in losses)
    assert reported or _sent(request) != _sent(plain), f"{field} was lost without a word"


def _sent(request: Any) -> tuple[bytes, dict[str, str]]:
    return request.body, {**request.headers, **request.query}


@every_dialect
@pytest.mark.parametrize(
    "choice",
    [
        ToolChoice("none"),
        ToolChoice("required"),
        ToolChoice("required", name="look"),
        ToolChoice("auto", allowed=["look"]),
    ],
    ids=["none", "required", "named", "allowed"],
)
def test_every_tool_choice_is_carried_or_reported(subject: Subject, choice: ToolChoice) -> None:
    """`auto` is the default; each other mode says something else, and so must the request."""
    plain, _ = asked(subject, MODELS[subject.id], call(tools=[LOOK, PING]))
    request, losses = asked(subject, MODELS[subject.id], call(tools=[LOOK, PING], tool_choice=choice))
    assert _sent(request) != _sent(plain) or any(loss.param.startswith("tool_choice") for loss in losses)


@every_dialect
@pytest.mark.parametrize(
    ("given", "trace", "path"),
    [
        (call(tools=[LOOK]), "look", "tools[0]"),
        (call(tools=[CustomTool("patch")]), "patch", "tools[0]"),
        (call(tools=[WebSearchTool()]), "search", "tools[0]"),
        (call(tools=[HostedTool("file_search", msgspec.Raw(b'{"type":"file_search"}'))]), "file_search", "tools[0]"),
        (
            call(items=[Message("user", [Text("See."), Image(f"data:image/png;base64,{PNG}")])]),
            PNG,
            "input[0].content[1]",
        ),
        (
            call(items=[Message("user", [Text("See."), Image("https://example.com/i.png")])]),
            "i.png",
            "input[0].content[1]",
        ),
        (call(items=[Message("user", [Text("See."), Image(file_id="file_77")])]), "file_77", "input[0].content[1]"),
        (
            call(items=[Message("user", [Text("See."), File(f"data:application/pdf;base64,{PDF}", filename="r.pdf")])]),
            PDF,
            "input[0].content[1]",
        ),
        (
            call(items=[Message("user", [Text("See."), File("https://example.com/r.pdf")])]),
            "r.pdf",
            "input[0].content[1]",
        ),
        (
            call(items=[Message("user", [Opaque("input_audio", msgspec.Raw(b'{"type":"input_audio"}'))])]),
            "input_audio",
            "input[0].content[0]",
        ),
        (
            call(
                items=[
                    HELLO,
                    ToolCall("c1", "look", "{}"),
                    ToolResult("c1", [Text("Seen."), Image(f"data:image/png;base64,{PNG}")]),
                ],
                tools=[LOOK],
            ),
            PNG,
            "input[2].output[1]",
        ),
        (
            call(
                items=[
                    HELLO,
                    ToolCall("c1", "look", "{}"),
                    ToolResult("c1", [Text("Seen."), File(f"data:application/pdf;base64,{PDF}", filename="r.pdf")]),
                ],
                tools=[LOOK],
            ),
            PDF,
            "input[2].output[1]",
        ),
        (call(format=Format("json_schema", "shape", SCHEMA)), "zz", "text.format"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tools_schemas_and_media_are_carried_or_refused_by_name(
    subject: Subject, given: Call, trace: str, path: str
) -> None:
    """Losing one of these would change what was asked, so it is never a mere loss."""
    try:
        request, _ = asked(subject, MODELS[subject.id], given)
    except InvalidRequest as error:
        assert (error.param or "").startswith(path)
        return
    assert trace.lower().encode() in request.body.lower(), f"{path} is gone"


@every_dialect
def test_schemas_keep_their_order(subject: Subject) -> None:
    """The order of properties is the order models answer in."""
    request, _ = asked(subject, MODELS[subject.id], call(tools=[LOOK], format=Format("json_schema", "shape", SCHEMA)))
    text = request.body.decode().replace('\\"', '"').replace(" ", "")
    assert text.index('"z":') < text.index('"a":')
    assert text.index('"zz":') < text.index('"aa":')


@every_dialect
@pytest.mark.parametrize("stream", [False, True])
def test_the_answer_is_asked_for_as_the_client_wants_it(subject: Subject, stream: bool) -> None:
    """Streamed calls and whole ones differ in the path, the query or the body."""
    requests = [asked(subject, MODELS[subject.id], call(stream=wanted))[0] for wanted in (stream, not stream)]
    assert requests[0] != requests[1]


@pytest.mark.parametrize("case", [case for case in CASES if case.name in {"tools", "reasoning"}], ids=str)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_goes_back_whole(case: Case, streamed: bool) -> None:
    """Calls, results and sealed reasoning of one answer stand in the next request, seals byte for byte."""
    events = case.decode([case.stream()]) if streamed else case.read()
    items = said(events, case.subject.provider)
    asks = case.call(stream=True)
    following = msgspec.structs.replace(asks, items=[*asks.items, *items, *results(items), HELLO], native=None)
    request, losses = asked(case.subject, case.model, following)
    sent = json.loads(request.body)
    texts = _strings(sent)
    for event in events:
        if isinstance(event, ReasoningSealed) and event.blob:
            assert event.blob in texts, "the seal changed"
            assert not [loss for loss in losses if loss.param.startswith("input")]
        if isinstance(event, ToolCallStarted):
            assert event.name in texts
            assert any(f"result of {event.name}" in text for text in texts)
    assert any(case.means.text in text for text in texts)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in _strings(child)]


@every_dialect
def test_reasoning_of_another_provider_is_left_out_and_reported(subject: Subject) -> None:
    """A foreign seal would make the provider refuse the whole request."""
    foreign = Reasoning(summary=["Hm."], seal=Seal("Zm9yZWlnbg==", "elsewhere", SCOPE, "thinking"))
    request, losses = asked(
        subject, MODELS[subject.id], call(items=[HELLO, foreign, Message("assistant", [Text("Hi.")]), HELLO])
    )
    assert b"Zm9yZWlnbg==" not in request.body
    assert any(loss.param == "input[1]" for loss in losses)


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=80)
part_lists = st.lists(
    st.one_of(
        st.builds(Text, st.sampled_from(["", " ", "Hi.", "\u2028", "é"])),
        st.just(Image(f"data:image/png;base64,{PNG}")),
        st.just(File(f"data:application/pdf;base64,{PDF}")),
        st.just(File("data:text/plain;base64,eA==", filename="..")),
    ),
    max_size=3,
)


@given(
    st.sampled_from(SUBJECTS),
    st.lists(
        st.one_of(
            st.builds(Message, st.sampled_from(["user", "assistant", "system", "developer"]), part_lists),
            st.builds(ToolCall, names, names, st.sampled_from(["", "{}", '{"a":1}', "[]", "{", "text"]), st.booleans()),
            st.builds(ToolResult, names, part_lists, st.booleans(), st.booleans()),
            st.builds(Reasoning, st.just(["Hm"]), st.just([]), st.sampled_from([None, Seal("eA==", "", "", "odd")])),
        ),
        max_size=5,
    ),
    st.lists(
        st.one_of(st.builds(FunctionTool, names), st.builds(CustomTool, names), st.just(WebSearchTool())), max_size=3
    ),
)
def test_any_call_is_written_or_refused_by_name(
    subject: Subject, items: list[Message | ToolCall | ToolResult | Reasoning], tools: list[Tool]
) -> None:
    """No conversation makes a dialect stumble: the outcome is a request in JSON, or a refusal that names a parameter."""
    try:
        request, losses = asked(subject, MODELS[subject.id], call(items=items, tools=tools))
    except InvalidRequest as error:
        assert error.param
        return
    json.loads(request.body)
    assert all(loss.param and loss.detail for loss in losses)


def test_the_parts_of_a_conversation_are_all_tried() -> None:
    """A new kind of part must be added to these tests."""
    assert set(Part.__args__) == {
        Text,
        Image,
        File,
        Opaque,
        *(kind for kind in Part.__args__ if kind.__name__ == "Refusal"),
    }
