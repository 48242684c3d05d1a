"""The benchmark's fake provider speaks the formats it claims to, so that what is measured is the normal path."""

from collections.abc import Sequence

import pytest

from bench.answers import ANSWERS, CHUNKS
from services.adapters.registry import dialect
from services.catalog.schema import Provider, Target
from services.vocabulary.call import Call
from services.vocabulary.event import Event, Finished, TextDelta, UsageReported

FORMATS = [
    ("/responses", "openai_responses"),
    ("/messages", "anthropic_messages"),
    ("/chat/completions", "openai_chat"),
]


def target(name: str) -> Target:
    return Target(Provider(id="bench", name="Bench", dialect=name, base_url=""), name, "bench", "bench", listed=False)


def ends_well(events: Sequence[Event]) -> bool:
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    return usage[0].output == 100 and events[-1] == Finished("stop")


@pytest.mark.parametrize(("path", "name"), FORMATS)
def test_the_stream_is_100_chunks_of_text_that_end_well(path: str, name: str) -> None:
    """Read by the dialect itself."""
    call = Call(model="bench", items=[], stream=True)
    framer, decoder = dialect(name).framing(call)(), dialect(name).decoder(call, target(name))
    frames = [frame for piece in ANSWERS[path].stream for frame in framer.feed(piece)]
    events = [event for frame in frames for event in decoder.feed(frame)] + list(decoder.close())
    assert sum(isinstance(event, TextDelta) and bool(event.text) for event in events) == CHUNKS
    assert ends_well(events)


@pytest.mark.parametrize(("path", "name"), FORMATS)
def test_the_whole_answer_is_about_a_kilobyte_and_ends_well(path: str, name: str) -> None:
    """Read by the dialect itself."""
    whole = ANSWERS[path].whole
    assert 900 < len(whole) < 2500
    assert ends_well(dialect(name).answer(whole, Call(model="bench", items=[]), target(name)))
