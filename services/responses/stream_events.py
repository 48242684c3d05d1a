"""The events of a streamed answer, by OpenAI's names: https://platform.openai.com/docs/api-reference/responses-streaming."""

import msgspec

from services.responses.items import Annotation, OutputItem, OutputText, ReasoningText, RefusalPart, SummaryText
from services.responses.objects import Response


class _Event(msgspec.Struct, kw_only=True):
    sequence_number: int


class ResponseCreated(_Event, tag="response.created"):
    """First event: the response exists and nothing has come yet."""

    response: Response


class ResponseInProgress(_Event, tag="response.in_progress"):
    """The provider has accepted the request."""

    response: Response


class ResponseCompleted(_Event, tag="response.completed"):
    """Last event of an answer that came to its end."""

    response: Response


class ResponseIncomplete(_Event, tag="response.incomplete"):
    """Last event of an answer that was cut by a limit or a filter."""

    response: Response


class ResponseFailed(_Event, tag="response.failed"):
    """Last event of an answer that failed; `error` events came before."""

    response: Response


class OutputItemAdded(_Event, tag="response.output_item.added"):
    """A new item begins."""

    output_index: int
    item: OutputItem


class OutputItemDone(_Event, tag="response.output_item.done"):
    """An item is complete."""

    output_index: int
    item: OutputItem


class _ItemEvent(_Event, kw_only=True):
    item_id: str
    output_index: int


class ContentPartAdded(_ItemEvent, tag="response.content_part.added"):
    """A part of a message or of reasoning begins."""

    content_index: int
    part: OutputText | RefusalPart | ReasoningText


class ContentPartDone(_ItemEvent, tag="response.content_part.done"):
    """A part is complete."""

    content_index: int
    part: OutputText | RefusalPart | ReasoningText


class OutputTextDelta(_ItemEvent, tag="response.output_text.delta"):
    """More text."""

    content_index: int
    delta: str
    logprobs: list[msgspec.Raw] = []


class OutputTextDone(_ItemEvent, tag="response.output_text.done"):
    """The whole text of a part."""

    content_index: int
    text: str
    logprobs: list[msgspec.Raw] = []


class OutputTextAnnotationAdded(_ItemEvent, tag="response.output_text.annotation.added"):
    """A citation of the text so far."""

    content_index: int
    annotation_index: int
    annotation: Annotation


class RefusalDeltaEvent(_ItemEvent, tag="response.refusal.delta"):
    """More text of a refusal."""

    content_index: int
    delta: str


class RefusalDone(_ItemEvent, tag="response.refusal.done"):
    """The whole refusal."""

    content_index: int
    refusal: str


class ReasoningSummaryPartAdded(_ItemEvent, tag="response.reasoning_summary_part.added"):
    """A part of a reasoning summary begins."""

    summary_index: int
    part: SummaryText


class ReasoningSummaryPartDone(_ItemEvent, tag="response.reasoning_summary_part.done"):
    """A part of a reasoning summary is complete."""

    summary_index: int
    part: SummaryText


class ReasoningSummaryTextDelta(_ItemEvent, tag="response.reasoning_summary_text.delta"):
    """More of a reasoning summary."""

    summary_index: int
    delta: str


class ReasoningSummaryTextDone(_ItemEvent, tag="response.reasoning_summary_text.done"):
    """The whole text of a summary part."""

    summary_index: int
    text: str


class ReasoningTextDelta(_ItemEvent, tag="response.reasoning_text.delta"):
    """More of the reasoning itself."""

    content_index: int
    delta: str


class ReasoningTextDone(_ItemEvent, tag="response.reasoning_text.done"):
    """The whole text of a reasoning part."""

    content_index: int
    text: str


class FunctionCallArgumentsDelta(_ItemEvent, tag="response.function_call_arguments.delta"):
    """More of a call's arguments."""

    call_id: str
    delta: str


class FunctionCallArgumentsDone(_ItemEvent, tag="response.function_call_arguments.done"):
    """The whole arguments of a call."""

    call_id: str
    name: str
    arguments: str


class CustomToolCallInputDelta(_ItemEvent, tag="response.custom_tool_call_input.delta"):
    """More of a custom call's input."""

    call_id: str
    delta: str


class CustomToolCallInputDone(_ItemEvent, tag="response.custom_tool_call_input.done"):
    """The whole input of a custom call."""

    call_id: str
    input: str


class WebSearchCallInProgress(_ItemEvent, tag="response.web_search_call.in_progress"):
    """A search begins."""


class WebSearchCallSearching(_ItemEvent, tag="response.web_search_call.searching"):
    """A search is under way."""


class WebSearchCallCompleted(_ItemEvent, tag="response.web_search_call.completed"):
    """A search ended."""


class StreamError(msgspec.Struct):
    """The inner object of an `error` event, as in the body of a REST error."""

    type: str
    code: str | None
    message: str
    param: str | None = None


class ErrorEvent(_Event, tag="error"):
    """Something failed; `response.failed` follows. Nested, because that is the only form every SDK raises for."""

    error: StreamError


Terminal = ResponseCompleted | ResponseIncomplete | ResponseFailed
LifecycleEvent = ResponseCreated | ResponseInProgress | Terminal

StreamEvent = (
    LifecycleEvent
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | OutputTextAnnotationAdded
    | RefusalDeltaEvent
    | RefusalDone
    | ReasoningSummaryPartAdded
    | ReasoningSummaryPartDone
    | ReasoningSummaryTextDelta
    | ReasoningSummaryTextDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | FunctionCallArgumentsDelta
    | FunctionCallArgumentsDone
    | CustomToolCallInputDelta
    | CustomToolCallInputDone
    | WebSearchCallInProgress
    | WebSearchCallSearching
    | WebSearchCallCompleted
    | ErrorEvent
)
