"""What sandbox/echo answers, beyond the examples of docs/sandbox.md."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.sandbox.play import generate
from services.adapters.sandbox.seal import seal
from services.catalog.schema import Provider, Target
from services.vocabulary.call import (
    Cache,
    Call,
    CustomTool,
    Format,
    FunctionTool,
    HostedTool,
    Image,
    Item,
    Message,
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
from services.vocabulary.event import (
    Event,
    Finished,
    Opened,
    ReasoningDelta,
    ReasoningSealed,
    SearchDone,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage

TARGET = Target(Provider(id="sandbox", name="Sandbox", dialect="sandbox", base_url=""), "sandbox", "echo", "echo")
WEATHER = FunctionTool(
    "get_weather",
    parameters=msgspec.Raw(b'{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}'),
)
TIME = FunctionTool("getTime")
SHELL = CustomTool("shell")


def user(text: str) -> Message:
    return Message("user", [Text(text)])


def call(*items: Item | str, **fields: object) -> Call:
    return Call(model="sandbox/echo", items=[user(item) if isinstance(item, str) else item for item in items], **fields)  # type: ignore[arg-type]


async def batches(asked: Call) -> list[Sequence[Event]]:
    return [batch async for batch in generate(asked, TARGET, silence_s=0.01)]


async def events(asked: Call) -> list[Event]:
    return [event for batch in await batches(asked) for event in batch]


def text_of(answer: Sequence[Event]) -> str:
    return "".join(event.text for event in answer if isinstance(event, TextDelta))


def calls_of(answer: Sequence[Event]) -> list[tuple[str, str]]:
    """Name and arguments of each call; also checks that calls open and close in order."""
    made: list[tuple[str, str]] = []
    open_key = None
    for event in answer:
        match event:
            case ToolCallStarted(key, _, name):
                assert open_key is None
                open_key = key
                made.append((name, ""))
            case ToolCallDelta(key, arguments):
                assert key == open_key
                made[-1] = (made[-1][0], made[-1][1] + arguments)
            case ToolCallDone(key):
                assert key == open_key
                open_key = None
    assert open_key is None
    return made


async def failure(asked: Call) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await events(asked)
    return caught.value


async def test_a_stream_is_an_event_per_word_and_a_whole_answer_the_same_events_at_once() -> None:
    """Words that are ready together are one batch; with pauses each is its own."""
    streamed = await batches(call("one two  three\n [[delay 1]]", stream=True))
    whole = await batches(call("one two  three\n [[delay 1]]"))
    assert [batch[0] for batch in streamed[1:4]] == [TextDelta("one"), TextDelta(" two"), TextDelta("  three")]
    assert len(whole) == 1
    assert [event for batch in streamed for event in batch] == list(whole[0])
    assert whole[0][0] == Opened("sandbox", "sandbox")
    assert whole[0][-2:] == [UsageReported(Usage(input=5, output=3)), Finished("stop")]
    assert len(await batches(call("one two three", stream=True))) == 1


async def test_the_same_call_gives_the_same_answer() -> None:
    """Nothing is random, call ids included."""
    asked = call("Use get_weather", tools=[WEATHER], reasoning=ReasoningOptions("high"))
    assert await events(asked) == await events(asked)


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ((Message("system", [Text("Be brief.")]), user("Hi")), "Hi"),
        ((user("one"), Message("assistant", [Text("two")]), user("three")), "three"),
        ((user("<system-reminder>use get_weather</system-reminder> Hi"),), "Hi"),
        ((Message("user", [Text("a"), Text("b")]),), "a\nb"),
        ((Message("user", [Image("data:,"), Image("data:,")]),), "I received 2 images."),
        ((Message("user", [Text("See this"), Image("data:,")]),), "See this"),
        ((Message("system", [Text("Be brief.")]),), "Hello."),
        (
            (user("x"), ToolCall("c", "f", "{}"), ToolResult("c", [Text("boom")], is_error=True)),
            "The tool failed: “boom”.",
        ),
        ((user("x"), ToolCall("c", "f", "{}"), ToolResult("c", [Text("1")]), user("thanks")), "thanks"),
        ((user("Not [[a directive]] [[ ]]"),), "Not [[a directive]] [[ ]]"),
    ],
)
async def test_the_last_exchange_decides(items: tuple[Item, ...], text: str) -> None:
    """The last user text is echoed without an agent's context; tool results after it are quoted instead."""
    assert text_of(await events(call(*items, tools=[WEATHER]))) == text


@pytest.mark.parametrize(
    ("text", "fields", "made"),
    [
        ("TOOLPLEASE", {}, [("get_weather", '{"location": "location"}')]),
        ("TOOLPLEASE what time is it", {}, [("getTime", "{}")]),
        ("the weather in Oslo and the time", {}, [("get_weather", '{"location": "Oslo"}'), ("getTime", "{}")]),
        ("the weather and the time", {"parallel_tool_calls": False}, [("get_weather", '{"location": "location"}')]),
        ("weather, with get_weatherman", {}, [("get_weather", '{"location": "location"}')]),
        ("hello", {}, []),
        ("hello", {"tool_choice": ToolChoice("required", name="getTime")}, [("getTime", "{}")]),
        ("get_weather", {"tool_choice": ToolChoice("required", allowed=["shell"])}, [("shell", "text")]),
        ("get_weather", {"tool_choice": ToolChoice("auto", allowed=["shell"])}, []),
        ("get_weather [[tool shell]]", {"tool_choice": ToolChoice("none")}, []),
        ("[[tool shell {not json}]]", {"stream": False}, None),
        ("[[tool shell]] `a b`", {}, [("shell", "a b")]),
        ("get_weather", {"format": Format("json_object")}, [("get_weather", '{"location": "location"}')]),
    ],
)
async def test_which_tools_are_called(text: str, fields: dict[str, object], made: list[tuple[str, str]] | None) -> None:
    """Named tools, meant tools, any tool at TOOLPLEASE; tool_choice and parallel_tool_calls are obeyed."""
    asked = call(text, tools=[WEATHER, TIME, SHELL], **fields)
    if made is None:
        assert (await failure(asked)).kind is Kind.CALLER
        return
    answer = await events(asked)
    assert calls_of(answer) == made
    assert isinstance(answer[-1], Finished)
    assert answer[-1].reason == ("tool_calls" if made else "stop")


async def test_a_required_call_is_made_even_after_a_result_and_has_a_new_id() -> None:
    """As with real providers; ids do not repeat within a conversation."""
    first = await events(call("hi", tools=[TIME], tool_choice=ToolChoice("required")))
    started = next(event for event in first if isinstance(event, ToolCallStarted))
    again = await events(
        call(
            "hi",
            ToolCall(started.call_id, "getTime", "{}"),
            ToolResult(started.call_id, [Text("12:00")]),
            tools=[TIME],
            tool_choice=ToolChoice("required"),
        )
    )
    assert calls_of(again) == [("getTime", "{}")]
    assert started.call_id not in [event.call_id for event in again if isinstance(event, ToolCallStarted)]


@pytest.mark.parametrize(
    ("text", "tools", "choice", "param"),
    [
        ("x", [WEATHER], ToolChoice("required", name="nope"), "tool_choice"),
        ("x", [], ToolChoice("required"), "tool_choice"),
        ("get_it", [FunctionTool("get_it", parameters=msgspec.Raw(b'{"allOf":[false]}'))], None, "tools[0].parameters"),
        ("[[tool nope]]", [WEATHER], None, None),
        ("[[fail]] [[fail 200]]", [], None, None),
        ("[[delay]]", [], None, None),
        ("[[delay 99999]]", [], None, None),
        ("[[long 1000000]]", [], None, None),
        ("[[refuse please]]", [], None, None),
        ("[[say hi", [], None, None),
        ("[[tool]]", [WEATHER], None, None),
    ],
)
async def test_what_cannot_be_answered_is_the_callers_error(
    text: str, tools: list[Tool], choice: ToolChoice | None, param: str | None
) -> None:
    """Impossible choices, schemas without an instance and unreadable directives give the provider's 400."""
    error = await failure(call(text, tools=tools, tool_choice=choice))
    assert (error.kind, error.status, error.param) == (Kind.CALLER, 400, param)
    assert error.message.startswith("sandbox: ")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.CALLER),
        (401, Kind.CREDENTIAL),
        (403, Kind.CREDENTIAL),
        (408, Kind.TIMEOUT),
        (429, Kind.RATE_LIMITED),
        (500, Kind.UNAVAILABLE),
        (504, Kind.TIMEOUT),
        (529, Kind.UNAVAILABLE),
    ],
)
async def test_a_failure_is_of_the_kind_that_its_status_means(status: int, kind: Kind) -> None:
    """[[fail]] gives what a dialect would make of the status."""
    error = await failure(call(f"[[fail {status} 3]]"))
    assert (error.kind, error.status, error.retry_after) == (kind, status, 3)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("directive", "kind"),
    [("cut", Kind.TRUNCATED), ("malformed", Kind.PROTOCOL), ("error", Kind.FAILED), ("hang", Kind.TIMEOUT)],
)
async def test_faults_come_after_the_words_asked_for(directive: str, kind: Kind, stream: bool) -> None:
    """Streamed, the words before the fault arrive; not streamed, nothing does; a short answer ends in the fault too."""
    got: list[Event] = []

    async def listen() -> None:
        async for batch in generate(call(f"one two three [[{directive} 2]]", stream=stream), TARGET, silence_s=0.01):
            got.extend(batch)

    with pytest.raises(UpstreamError) as caught:
        await listen()
    assert caught.value.kind is kind
    assert text_of(got) == ("one two" if stream else "")
    assert (await failure(call(f"one [[{directive} 9]]", stream=stream))).kind is kind


@pytest.mark.virtual_time
async def test_pauses_are_real_time() -> None:
    """Before anything comes, and before each word; streamed or not."""
    now = asyncio.get_running_loop().time
    for stream in (True, False):
        started = now()
        await events(call("one two [[wait 30]] [[delay 20]]", stream=stream))
        assert now() - started == pytest.approx(0.07)


async def test_a_long_answer_lets_others_run() -> None:
    """The event loop is not held while a stream of many words is produced."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await events(call("[[long 5000]]", stream=True))
    ticking.cancel()
    assert ticks > 300


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (ReasoningOptions("low", summary="auto"), "summary"),
        (ReasoningOptions("low"), "content"),
        (ReasoningOptions(budget_tokens=1024), "content"),
        (ReasoningOptions("none"), None),
        (ReasoningOptions(), None),
    ],
)
async def test_reasoning_comes_first_and_its_seal_is_accepted_back(options: ReasoningOptions, kind: str | None) -> None:
    """As a summary when one is asked for; counted as reasoning tokens, which are output tokens."""
    answer = await events(call("Hi", reasoning=options))
    deltas = [event for event in answer if isinstance(event, ReasoningDelta)]
    assert {delta.kind for delta in deltas} == ({kind} if kind else set())
    usage = next(event.usage for event in answer if isinstance(event, UsageReported))
    assert (usage.reasoning, usage.output) == (len(deltas), len(deltas) + 1)
    if kind is None:
        return
    assert answer.index(deltas[-1]) < answer.index(TextDelta("Hi"))
    thought = "".join(delta.text for delta in deltas)
    sealed = next(event for event in answer if isinstance(event, ReasoningSealed))
    back = Reasoning(seal=Seal(sealed.blob), **{kind: [thought]})  # type: ignore[arg-type]
    assert text_of(await events(call("Hi", back, Message("assistant", [Text("Hi")]), "again"))) == "again"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (Reasoning(seal=Seal("gAAAA")), "input[1].encrypted_content"),
        (Reasoning(seal=Seal(seal("a")[:-1] + "g")), "input[1].encrypted_content"),
        (Reasoning(seal=Seal("é.é")), "input[1].encrypted_content"),
        (Reasoning(["b"], seal=Seal(seal("a"))), "input[1].summary"),
        (Reasoning(content=["b"], seal=Seal(seal("a"))), "input[1].content"),
    ],
)
async def test_a_wrong_seal_is_refused(item: Reasoning, param: str) -> None:
    """A changed or foreign seal, and a changed text under a good one, give the provider's 400."""
    error = await failure(call("Hi", item, "again"))
    assert (error.kind, error.status, error.param) == (Kind.CALLER, 400, param)


async def test_reasoning_without_a_seal_or_text_is_accepted() -> None:
    """Clients may drop either."""
    for item in (Reasoning(["x"]), Reasoning(seal=Seal(seal("x")))):
        assert text_of(await events(call("Hi", item, "again"))) == "again"


@pytest.mark.parametrize(
    ("fields", "text", "finished"),
    [
        ({"stop": ["four", "three"]}, "one two ", Finished("stop", "three")),
        ({"stop": ["five"]}, "one two three four", Finished("stop")),
        ({"max_output_tokens": 2}, "one two", Finished("length")),
        ({"max_output_tokens": 4}, "one two three four", Finished("stop")),
        ({"max_output_tokens": 1, "stop": ["three"]}, "one", Finished("length")),
    ],
)
async def test_limits_are_obeyed(fields: dict[str, object], text: str, finished: Finished) -> None:
    """Stop sequences cut the text, max_output_tokens counts words."""
    answer = await events(call("one two three four", **fields))
    assert (text_of(answer), answer[-1]) == (text, finished)


async def test_limits_count_reasoning_and_arguments() -> None:
    """Running out while reasoning leaves no text and no seal; within a call, the call is closed as it is."""
    thinking = await events(call("Hi [[think 9]]", max_output_tokens=5))
    assert not any(isinstance(event, (TextDelta, ReasoningSealed)) for event in thinking)
    assert thinking[-1] == Finished("length")
    calling = await events(call("get_weather in Paris", tools=[WEATHER], max_output_tokens=1))
    assert calls_of(calling) == [("get_weather", '{"location":')]
    assert calling[-1] == Finished("length")


async def test_a_search_needs_the_tool_and_names_allowed_domains() -> None:
    """Without web_search among the tools nothing is searched; the page found is of an allowed domain."""
    tools: list[Tool] = [WebSearchTool(allowed_domains=["example.org"])]
    found = [
        event for event in await events(call("search the web for tea", tools=tools)) if isinstance(event, SearchDone)
    ]
    assert found == [SearchDone("search", "search the web for tea", ["https://example.org/?q=search+the+web+for+tea"])]
    assert not any(isinstance(event, SearchDone) for event in await events(call("search the web for tea")))
    chosen = await events(call("tea", tools=tools, tool_choice=ToolChoice("required", name="web_search")))
    usage = next(event.usage for event in chosen if isinstance(event, UsageReported))
    assert usage.web_searches == 1


async def test_what_stands_before_a_cache_marker_counts_as_written() -> None:
    """Each prompt token is in exactly one class."""
    items = [
        Message("system", [Text("a b c", Cache("1h"))]),
        Message("user", [Text("d e", Cache()), Text("f"), Image("data:,")]),
    ]
    answer = await events(call(*items, tools=[FunctionTool("x", "y z")]))
    usage = next(event.usage for event in answer if isinstance(event, UsageReported))
    assert usage == Usage(input=86, cache_write_5m=2, cache_write_1h=6, output=3)
    whole = await events(call("a b", cache=Cache()))
    assert next(event.usage for event in whole if isinstance(event, UsageReported)).cache_write_5m == 2


async def test_what_has_no_meaning_here_is_reported() -> None:
    """Hosted tools, probabilities, verbosity and unknown fields are named as losses."""
    asked = call(
        "Hi",
        tools=[WEATHER, HostedTool("file_search", msgspec.Raw(b'{"type":"file_search"}'))],
        top_logprobs=3,
        verbosity="low",
        extra={"new_field": msgspec.Raw(b"1")},
    )
    opened = (await events(asked))[0]
    assert isinstance(opened, Opened)
    assert [loss.param for loss in opened.losses] == ["tools[1]", "top_logprobs", "text.verbosity", "new_field"]
