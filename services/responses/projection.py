"""Events -> the public stream. The only place that makes public items: it owns ids, indices, sequence numbers and order.

An item opens with its first content and closes when something else begins or the answer ends. It closes late on purpose:
only `Finished` tells whether the last item is complete or was cut, and an item must not say `completed` inside a response
that is `incomplete`.
"""

from collections.abc import Sequence
from typing import Final

from services.errors import GatewayError
from services.responses.echo import skeleton
from services.responses.items import OutputItem
from services.responses.keeping import STATELESS, State
from services.responses.objects import IncompleteDetails, Response, StopReason, failure
from services.responses.open_items import Numbers, OpenCall, OpenItem, OpenSearch, hosted_item
from services.responses.open_message import OpenMessage
from services.responses.open_reasoning import OpenReasoning
from services.responses.stream_events import (
    ErrorEvent,
    OutputItemAdded,
    OutputItemDone,
    ResponseCompleted,
    ResponseCreated,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    StreamError,
    StreamEvent,
)
from services.responses.totals import public_usage
from services.surface.cost import public_cost
from services.vocabulary.call import Call
from services.vocabulary.cost import Cost
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    FinishReason,
    HostedItem,
    ItemDone,
    Opened,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.routing import RouteTaken
from services.vocabulary.seal import seal
from services.vocabulary.usage import Usage

_INCOMPLETE: Final[dict[FinishReason, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_STOP_REASONS: Final[dict[FinishReason, StopReason]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "pause": "pause_turn",
}


class Projection:
    """One answer. `response_id` is `resp_…`; item ids are derived from it. Times are Unix seconds."""

    def __init__(
        self,
        call: Call,
        model: str,
        opened: Opened,
        response_id: str,
        created_at: int,
        route: RouteTaken | None = None,
        state: State = STATELESS,
    ) -> None:
        self._response = skeleton(call, model, opened, response_id, created_at, state)
        self._response.routing = route
        self._opened = opened
        self._stem = response_id.removeprefix("resp_")
        self._numbers = Numbers()
        self._output: list[OutputItem] = []
        self._current: OpenMessage | OpenReasoning | None = None
        self._keyed: dict[str, OpenCall | OpenSearch] = {}
        self._ending: list[OpenItem] = []  # complete as far as the provider said, not yet closed
        self.usage: Usage | None = None
        self.finished: Finished | None = None

    def start(self) -> list[StreamEvent]:
        """The two events every stream begins with."""
        created = ResponseCreated(sequence_number=self._numbers.next(), response=self._response)
        return [created, ResponseInProgress(sequence_number=self._numbers.next(), response=self._response)]

    def feed(self, events: Sequence[Event]) -> list[StreamEvent]:
        """What these events are to the public. `Finished` closes all items; `complete` then ends the stream."""
        out: list[StreamEvent] = []
        for event in events:
            self._one(event, out)
        return out

    def complete(self, cost: Cost | None, completed_at: int) -> StreamEvent:
        """The terminal event of an answer that came to its end."""
        assert self.finished is not None
        reason = self.finished.reason
        response = self._final(cost)
        response.stop_reason = "stop_sequence" if self.finished.stop_sequence else _STOP_REASONS[reason]
        if why := _INCOMPLETE.get(reason):
            response.status = "incomplete"
            response.incomplete_details = IncompleteDetails(why)  # type: ignore[arg-type]  # the table's two values
            return ResponseIncomplete(sequence_number=self._numbers.next(), response=response)
        response.status, response.completed_at = "completed", completed_at
        return ResponseCompleted(sequence_number=self._numbers.next(), response=response)

    def fail(self, error: GatewayError, cost: Cost | None) -> list[StreamEvent]:
        """What ends the stream when something failed after it began: open items as they are, an error, the failure."""
        out: list[StreamEvent] = []
        self._close_all(out, cut=True)
        out.append(ErrorEvent(sequence_number=self._numbers.next(), error=stream_error(error)))
        response = self._final(cost)
        response.status, response.error = "failed", failure(error)
        out.append(ResponseFailed(sequence_number=self._numbers.next(), response=response))
        return out

    @property
    def response(self) -> Response:
        """The response so far; final once `complete` was called."""
        return self._response

    # ---- one event ---------------------------------------------------------------------------------------------------

    def _one(self, event: Event, out: list[StreamEvent]) -> None:
        match event:
            case TextDelta(text=text, logprobs=logprobs):
                self._message(out).text(text, logprobs, out)
            case ToolCallDelta(key=key, arguments=arguments):
                self._call(key).delta(arguments, out)
            case ReasoningDelta(text=text, kind=kind, part=part):
                self._reasoning(out).delta(text, kind, part, out)
            case RefusalDelta(text=text):
                self._message(out).refusal(text, out)
            case TextBlock():
                self._message(out).block(out)
            case Citation():
                self._message(out).cite(event, out)
            case ReasoningSealed(blob=blob, kind=kind):
                reasoning = self._reasoning(out)
                if blob or kind:  # a kind alone says what the readable text is
                    reasoning.sealed = seal(blob, self._opened.provider, self._opened.scope, kind)
                self._end_current()
            case ToolCallStarted():
                self._flush(out)
                call = OpenCall(self._numbers, len(self._output), self._stem, event)
                self._keyed[event.key] = call
                self._add(call, out)
            case ToolCallDone(key=key):
                self._end_keyed(key)
            case SearchStarted(key=key):
                self._search(key, out)
            case SearchDone():
                self._search(event.key, out).done(event)
                self._end_keyed(event.key)
            case HostedItem():
                self._hosted(event, out)
            case ItemDone():
                self._end_current()
            case UsageReported(usage=usage):
                self.usage = usage
            case Finished():
                self.finished = event
                self._close_all(out, cut=event.reason in _INCOMPLETE)
            case _:
                pass  # Opened came before; native events belong to the native lane

    def _message(self, out: list[StreamEvent]) -> OpenMessage:
        if isinstance(self._current, OpenMessage):
            return self._current
        self._flush(out)
        self._current = message = OpenMessage(self._numbers, len(self._output), self._stem)
        self._add(message, out)
        return message

    def _reasoning(self, out: list[StreamEvent]) -> OpenReasoning:
        if isinstance(self._current, OpenReasoning):
            return self._current
        self._flush(out)
        self._current = reasoning = OpenReasoning(self._numbers, len(self._output), self._stem)
        self._add(reasoning, out)
        return reasoning

    def _call(self, key: str) -> OpenCall:
        call = self._keyed[key]
        assert isinstance(call, OpenCall), "a dialect starts a call before its deltas"
        return call

    def _search(self, key: str, out: list[StreamEvent]) -> OpenSearch:
        search = self._keyed.get(key)
        if search is None:
            self._flush(out)
            search = self._keyed[key] = OpenSearch(self._numbers, len(self._output), self._stem)
            self._add(search, out)
        assert isinstance(search, OpenSearch)
        return search

    def _hosted(self, event: HostedItem, out: list[StreamEvent]) -> None:
        self._flush(out)
        index = len(self._output)
        item = hosted_item(event, f"{self._stem}{index:02x}")
        self._output.append(item)
        out.append(OutputItemAdded(sequence_number=self._numbers.next(), output_index=index, item=item))
        out.append(OutputItemDone(sequence_number=self._numbers.next(), output_index=index, item=item))

    # ---- opening and closing -----------------------------------------------------------------------------------------

    def _add(self, item: OpenItem, out: list[StreamEvent]) -> None:
        added = item.added()
        self._output.append(added)
        out.append(OutputItemAdded(sequence_number=self._numbers.next(), output_index=item.index, item=added))
        item.begin(out)

    def _end_current(self) -> None:
        if self._current is not None:
            self._ending.append(self._current)
            self._current = None

    def _end_keyed(self, key: str) -> None:
        item = self._keyed.pop(key, None)
        if item is not None:
            self._ending.append(item)

    def _flush(self, out: list[StreamEvent]) -> None:
        """Closes what has ended, because something else begins."""
        self._end_current()
        for item in self._ending:
            self._close(item, out, cut=False)
        self._ending.clear()

    def _close_all(self, out: list[StreamEvent], *, cut: bool) -> None:
        """Closes everything; if the answer was cut, the last item is the incomplete one."""
        self._end_current()
        self._ending += self._keyed.values()
        self._keyed.clear()
        for item in self._ending:
            self._close(item, out, cut=cut and item.index == len(self._output) - 1)
        self._ending.clear()

    def _close(self, item: OpenItem, out: list[StreamEvent], *, cut: bool) -> None:
        done = item.close("incomplete" if cut else "completed", out)
        self._output[item.index] = done
        out.append(OutputItemDone(sequence_number=self._numbers.next(), output_index=item.index, item=done))

    def _final(self, cost: Cost | None) -> Response:
        response = self._response
        response.output = self._output
        response.usage = public_usage(self.usage) if self.usage is not None else None
        response.cost = public_cost(cost)
        return response


def stream_error(error: GatewayError) -> StreamError:
    """A gateway error as the inner object of an `error` event."""
    return StreamError(error.type, error.code, error.message, error.param)
