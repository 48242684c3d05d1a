"""The items of an answer while they are open: one small object per item, which says what its events and its end are."""

from abc import ABC, abstractmethod

import msgspec

from services.responses.items import (
    CustomToolCallItem,
    FunctionCallItem,
    HostedToolItem,
    ItemStatus,
    OutputItem,
    SearchAction,
    SearchSource,
    ToolSearchCallItem,
    WebSearchCallItem,
)
from services.responses.stream_events import (
    CustomToolCallInputDelta,
    CustomToolCallInputDone,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    StreamEvent,
    WebSearchCallCompleted,
    WebSearchCallInProgress,
    WebSearchCallSearching,
)
from services.vocabulary.event import HostedItem, SearchDone, ToolCallStarted


class Numbers:
    """Sequence numbers of one stream: 0, 1, 2, …."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def next(self) -> int:
        """The next number."""
        number = self._next
        self._next = number + 1
        return number


class OpenItem(ABC):
    """What the projection needs of an item that is open."""

    def __init__(self, numbers: Numbers, index: int, item_id: str) -> None:
        self.index = index
        self._numbers = numbers
        self._id = item_id

    @abstractmethod
    def added(self) -> OutputItem:
        """The item as `output_item.added` shows it: empty and in progress."""

    def begin(self, out: list[StreamEvent]) -> None:  # noqa: B027  # most items have none
        """Adds the events that directly follow `output_item.added`."""

    @abstractmethod
    def close(self, status: ItemStatus, out: list[StreamEvent]) -> OutputItem:
        """Ends open parts; the item as `output_item.done` and the response show it."""


class OpenCall(OpenItem):
    """A call of a function or of a custom tool."""

    def __init__(self, numbers: Numbers, index: int, stem: str, started: ToolCallStarted) -> None:
        super().__init__(numbers, index, f"{'ctc' if started.custom else 'fc'}_{stem}{index:02x}")
        self._custom = started.custom
        self._call_id = started.call_id or f"call_{stem}{index:02x}"
        self._name = started.name
        self._namespace = started.namespace if started.namespace is not None else msgspec.UNSET
        self._arguments: list[str] = []

    def added(self) -> OutputItem:
        return self._item("in_progress", "")

    def delta(self, arguments: str, out: list[StreamEvent]) -> None:
        """More arguments."""
        if not arguments:
            return
        self._arguments.append(arguments)
        event = CustomToolCallInputDelta if self._custom else FunctionCallArgumentsDelta
        out.append(
            event(
                sequence_number=self._numbers.next(),
                item_id=self._id,
                output_index=self.index,
                call_id=self._call_id,
                delta=arguments,
            )
        )

    def close(self, status: ItemStatus, out: list[StreamEvent]) -> OutputItem:
        if not self._arguments and not self._custom and status == "completed":
            self.delta("{}", out)  # a function without arguments: clients parse the text as JSON
        arguments = "".join(self._arguments)
        number = self._numbers.next()
        if self._custom:
            out.append(
                CustomToolCallInputDone(
                    sequence_number=number,
                    item_id=self._id,
                    output_index=self.index,
                    call_id=self._call_id,
                    input=arguments,
                )
            )
        else:
            out.append(
                FunctionCallArgumentsDone(
                    sequence_number=number,
                    item_id=self._id,
                    output_index=self.index,
                    call_id=self._call_id,
                    name=self._name,
                    arguments=arguments,
                )
            )
        return self._item(status, arguments)

    def _item(self, status: ItemStatus, arguments: str) -> OutputItem:
        item = CustomToolCallItem if self._custom else FunctionCallItem
        return item(self._id, self._call_id, self._name, arguments, status, self._namespace)


class OpenSearch(OpenItem):
    """A web search the provider makes."""

    def __init__(self, numbers: Numbers, index: int, stem: str) -> None:
        super().__init__(numbers, index, f"ws_{stem}{index:02x}")
        self._action = SearchAction("")
        self._failed = False

    def added(self) -> OutputItem:
        return WebSearchCallItem(self._id, "in_progress", SearchAction(""))

    def begin(self, out: list[StreamEvent]) -> None:
        out += (
            event(sequence_number=self._numbers.next(), item_id=self._id, output_index=self.index)
            for event in (WebSearchCallInProgress, WebSearchCallSearching)
        )

    def done(self, event: SearchDone) -> None:
        """What was found."""
        self._action = SearchAction(event.query, [SearchSource(url) for url in event.sources])
        self._failed = event.failed

    def close(self, status: ItemStatus, out: list[StreamEvent]) -> OutputItem:
        failed = self._failed or status == "incomplete"
        if not failed:
            out.append(
                WebSearchCallCompleted(sequence_number=self._numbers.next(), item_id=self._id, output_index=self.index)
            )
        return WebSearchCallItem(self._id, "failed" if failed else "completed", self._action)


class _ToolSearch(msgspec.Struct):
    call_id: str | None = None
    execution: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


def hosted_item(event: HostedItem, stem: str) -> OutputItem:
    """An item that came whole. A search for tools that the client has to make is one it knows; others are wrapped."""
    if event.kind == "tool_search_call":
        search = msgspec.json.decode(event.raw, type=_ToolSearch)
        if search.execution == "client":
            call_id = search.call_id or f"call_{stem}"
            return ToolSearchCallItem(f"tsc_{stem}", call_id, "client", search.arguments, "completed")
    return HostedToolItem(f"item_{stem}", event.kind, event.raw)
