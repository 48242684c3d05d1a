"""One WebSocket's conversation: turns one after the other, the last of which can be continued though nothing is stored."""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.errors import InvalidKey, PreviousResponseNotFound
from services.responses.session import BODY_BYTES_MAX, Session
from services.vocabulary.caller import Caller


class Model:
    """Answers each turn with one message, or as it is told to. `asked`: the bodies."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.continued: list[str | None] = []
        self.ending = "completed"
        self.stored: list[str] = []
        self.error: Exception | None = None

    async def stream(
        self, body: bytes, caller: Caller, continued: str | None, before: list[msgspec.Raw]
    ) -> AsyncIterator[bytes]:
        self.asked.append(json.loads(body))
        self.continued.append(continued)
        if self.error is not None:
            raise self.error
        if self.asked[-1].get("previous_response_id") not in (None, *self.stored):
            raise PreviousResponseNotFound("not found", param="previous_response_id")
        if "previous_response_id" in self.asked[-1]:
            before.append(msgspec.Raw(json.dumps(user("stored")).encode()))
        yield frame({"type": "response.created", "response": {"id": "x", "status": "in_progress"}}) + b": ping\n\n"
        yield frame({"type": "response.output_text.delta", "delta": 'a "type":"response.completed" b\n\ndata: c'})
        yield frame(self.last()) + b"data: [DONE]\n\n"

    async def warm(self, body: bytes, caller: Caller, before: list[msgspec.Raw]) -> AsyncIterator[bytes]:
        self.asked.append(json.loads(body))
        yield frame(self.last(output=[]))

    def last(self, output: list[Any] | None = None) -> dict[str, Any]:
        number = len(self.asked)
        said = [{"type": "message", "role": "assistant", "content": f"answer {number}"}] if output is None else output
        stored = self.asked[-1].get("store") is not False
        response = {"id": f"resp_{number}", "status": self.ending, "output": said, "store": stored}
        self.stored += [f"resp_{number}"] if stored else []
        return {"type": f"response.{self.ending}", "response": response}


def frame(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def session(model: Model) -> Session:
    async def caller() -> Caller:
        return Caller("key")

    return Session(model, caller)


async def said(session: Session, message: Any) -> list[dict[str, Any]]:
    data = message if isinstance(message, bytes) else json.dumps(message).encode()
    return [json.loads(each) async for each in session.answer(data)]


def create(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.create", "model": "m", "input": text, "store": False, **more}


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


async def test_a_turn_is_the_stream_frame_by_frame(session: Session, model: Model):
    """The events of a POST with `stream`, without comments and without `[DONE]`."""
    frames = await said(session, create("hi"))
    assert [each["type"] for each in frames] == [
        "response.created",
        "response.output_text.delta",
        "response.completed",
    ]
    assert model.asked == [{"model": "m", "input": "hi", "store": False, "stream": True}]


async def test_the_last_answer_can_be_continued(session: Session, model: Model):
    """The provider is sent all items; the client sends only the new ones."""
    await said(session, create("one"))
    await said(session, create("two", previous_response_id="resp_1"))
    await said(session, create("", input=[user("three")], previous_response_id="resp_2"))
    spoken = [item["content"] for item in model.asked[2]["input"]]
    assert spoken == ["one", "answer 1", "two", "answer 2", "three"]
    assert model.continued == [None, "resp_1", "resp_2"]
    assert "previous_response_id" not in model.asked[2]


async def test_what_is_stored_is_continued_by_the_store(session: Session, model: Model):
    """Its items are not sent, and stored, once more. One that is not stored after it is continued here again."""
    await said(session, create("one", store=True))
    await said(session, create("two", previous_response_id="resp_1"))
    await said(session, create("three", previous_response_id="resp_2"))
    assert (model.asked[1]["previous_response_id"], model.asked[1]["input"]) == ("resp_1", "two")
    assert [item["content"] for item in model.asked[2]["input"]] == ["stored", "two", "answer 2", "three"]


async def test_an_incomplete_answer_can_be_continued(session: Session, model: Model):
    """It was cut by its limit, and stands."""
    model.ending = "incomplete"
    await said(session, create("one"))
    model.ending = "completed"
    assert (await said(session, create("two", previous_response_id="resp_1")))[-1]["type"] == "response.completed"


async def test_an_unknown_answer_is_named_and_the_next_turn_goes_well(session: Session):
    """Also one that is no longer the last; the answer to it may be stored, so the reader of the body decides."""
    await said(session, create("one"))
    (error,) = await said(session, create("two", previous_response_id="resp_gone"))
    assert (error["type"], error["status"], error["error"]["code"]) == ("error", 400, "previous_response_not_found")
    assert (await said(session, create("two", previous_response_id="resp_1")))[-1]["type"] == "response.completed"


@pytest.mark.parametrize("how", ["refused", "failed", "broken"])
async def test_a_continuation_that_fails_evicts_what_it_continued(session: Session, model: Model, how: str):
    """The client sends everything again."""
    await said(session, create("one"))
    if how == "failed":
        model.ending = "failed"
    else:
        model.error = InvalidKey("no") if how == "refused" else ValueError("ours")
    await said(session, create("two", previous_response_id="resp_1"))
    model.error, model.ending = None, "completed"
    (error,) = await said(session, create("two", previous_response_id="resp_1"))
    assert error["error"]["code"] == "previous_response_not_found"


async def test_a_turn_that_fails_by_itself_leaves_the_last_answer_alone(session: Session, model: Model):
    """It did not refer to it."""
    await said(session, create("one"))
    model.error = ValueError("secret")
    (error,) = await said(session, create("other"))
    assert (error["status"], error["error"]["code"]) == (500, "server_error")
    assert "secret" not in str(error)
    model.error = None
    assert (await said(session, create("two", previous_response_id="resp_1")))[-1]["type"] == "response.completed"


async def test_warming_up_asks_no_model_and_can_be_continued(session: Session, model: Model):
    """Codex begins so, with `generate: false`."""
    (last,) = await said(session, create("context", generate=False, stream=True))
    assert last["response"]["output"] == []
    await said(session, create("now", previous_response_id="resp_1"))
    assert [item["content"] for item in model.asked[1]["input"]] == ["context", "now"]
    assert "generate" not in model.asked[0]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (b"nonsense", None),
        (b"[1]", None),
        (b"\xff", None),
        ({"model": "m"}, "type"),
        ({"type": "session.update"}, "type"),
        ({"type": 7}, "type"),
        (create("hi", background=True), "background"),
        (create("hi", previous_response_id=7), "previous_response_id"),
        (create("hi", generate="no"), "generate"),
    ],
)
async def test_what_is_no_turn_is_an_error_frame(session: Session, message: Any, param: str | None):
    """And the connection goes on."""
    (error,) = await said(session, message)
    assert (error["status"], error["error"]["param"]) == (400, param)
    assert (await said(session, create("hi")))[-1]["type"] == "response.completed"


async def test_hearing_that_an_answer_was_taken_in_answers_nothing(session: Session):
    """Codex may say so."""
    assert await said(session, {"type": "response.processed", "response_id": "resp_1"}) == []


async def test_a_conversation_that_grew_too_large_is_refused(session: Session):
    """As a POST of that size would be."""
    half = "x" * (BODY_BYTES_MAX // 2)
    await said(session, create(half))
    (error,) = await said(session, create(half, previous_response_id="resp_1"))
    assert error["status"] == 413


async def test_the_key_is_verified_at_each_turn(model: Model):
    """One that was revoked meanwhile opens nothing any more."""

    async def revoked() -> Caller:
        raise InvalidKey("This key was revoked.")

    (error,) = await said(Session(model, revoked), create("hi"))
    assert (error["status"], model.asked) == (401, [])
