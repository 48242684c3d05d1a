"""The public answer, as JSON clients see it: the Response, its items, and the events of its stream.

Field names and their order follow OpenAI's Responses API (https://platform.openai.com/docs/api-reference/responses) and
Open Responses, which wants all 31 keys in every response object, in every event that carries one. `cost`,
`translation_losses` and `stop_reason` are ours. `proto/concentrate/responses/v1` mirrors these structs field for field;
what is free JSON there is `msgspec.Raw` here.
"""

from typing import Literal

import msgspec

from services.vocabulary.event import Loss

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "content_filter", "pause_turn"]

# ---- items -----------------------------------------------------------------------------------------------------------


class UrlCitation(msgspec.Struct, tag="url_citation"):
    """A web page that supports the characters start_index (included) to end_index (excluded) of its text part."""

    url: str
    title: str
    start_index: int
    end_index: int
    cited_text: str | msgspec.UnsetType = msgspec.UNSET


class FileCitation(msgspec.Struct, tag="file_citation"):
    """A file that supports the text up to the character `index`."""

    file_id: str
    filename: str
    index: int
    cited_text: str | msgspec.UnsetType = msgspec.UNSET


Annotation = UrlCitation | FileCitation


class OutputText(msgspec.Struct, tag="output_text"):
    """Text of the answer. `logprobs` holds OpenAI's token objects as they came."""

    text: str
    annotations: list[Annotation] = []
    logprobs: list[msgspec.Raw] = []


class RefusalPart(msgspec.Struct, tag="refusal"):
    """Text of a refusal."""

    refusal: str


class SummaryText(msgspec.Struct, tag="summary_text"):
    """A part of a reasoning summary."""

    text: str


class ReasoningText(msgspec.Struct, tag="reasoning_text"):
    """A part of the reasoning itself."""

    text: str


class MessageItem(msgspec.Struct, tag="message"):
    """What the assistant said."""

    id: str
    status: ItemStatus
    content: list[OutputText | RefusalPart]
    role: Literal["assistant"] = "assistant"


class ReasoningItem(msgspec.Struct, tag="reasoning"):
    """What the model thought. `encrypted_content` is present only when the provider gave an opaque part."""

    id: str
    summary: list[SummaryText]
    content: list[ReasoningText] | msgspec.UnsetType = msgspec.UNSET
    encrypted_content: str | msgspec.UnsetType = msgspec.UNSET
    status: ItemStatus | msgspec.UnsetType = msgspec.UNSET


class FunctionCallItem(msgspec.Struct, tag="function_call"):
    """A call of one of the client's functions. `arguments` is JSON text."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus
    namespace: str | msgspec.UnsetType = msgspec.UNSET


class CustomToolCallItem(msgspec.Struct, tag="custom_tool_call"):
    """A call of one of the client's custom tools. `input` is free text."""

    id: str
    call_id: str
    name: str
    input: str
    status: ItemStatus
    namespace: str | msgspec.UnsetType = msgspec.UNSET


class SearchSource(msgspec.Struct, tag="url"):
    """A page a search looked at."""

    url: str


class SearchAction(msgspec.Struct, tag="search"):
    """What a web search looked for."""

    query: str
    sources: list[SearchSource] = []


class WebSearchCallItem(msgspec.Struct, tag="web_search_call"):
    """A search the provider made."""

    id: str
    status: Literal["in_progress", "searching", "completed", "failed"]
    action: SearchAction


class HostedToolItem(msgspec.Struct, tag="hosted_tool_item"):
    """An item of a tool only the provider hosts, for surfaces that cannot carry it as it came. `kind` is its type."""

    id: str
    kind: str
    item: msgspec.Raw


OutputItem = MessageItem | ReasoningItem | FunctionCallItem | CustomToolCallItem | WebSearchCallItem | HostedToolItem

# ---- the response ----------------------------------------------------------------------------------------------------


class InputTokensDetails(msgspec.Struct):
    """Subsets of `input_tokens`. `cached_tokens_created` is the older name of `cache_write_tokens`."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cached_tokens_created: int = 0


class OutputTokensDetails(msgspec.Struct):
    """A subset of `output_tokens`."""

    reasoning_tokens: int = 0


class ToolCallCounts(msgspec.Struct):
    """Calls of hosted tools that are charged per call."""

    web_search: int = 0


class ResponseUsage(msgspec.Struct):
    """Tokens, as the API counts them: totals, with subsets in the details."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int
    tool_calls: ToolCallCounts


class ResponseCost(msgspec.Struct):
    """US dollars, exact to the nano-dollar: the total, and its parts per token class."""

    total: float
    breakdown: dict[str, float]
    currency: Literal["USD"] = "USD"


class ResponseError(msgspec.Struct):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(msgspec.Struct):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ReasoningEcho(msgspec.Struct):
    """The reasoning options that were asked for."""

    effort: str | None = None
    summary: str | None = None


class Response(msgspec.Struct, kw_only=True):
    """One response: what was asked (echoed), and what came of it. Times are Unix seconds."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    status: ResponseStatus
    completed_at: int | None = None
    background: bool = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: list[OutputItem] = []
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    reasoning: ReasoningEcho | None = None
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = False
    temperature: float = 1.0
    text: msgspec.Raw
    tool_choice: msgspec.Raw
    tools: list[msgspec.Raw] = []
    top_logprobs: int = 0
    top_p: float = 1.0
    truncation: Literal["auto", "disabled"] = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    metadata: dict[str, str] = {}
    stop_reason: StopReason | None = None
    cost: ResponseCost | None = None
    translation_losses: list[Loss] = []


# ---- the stream ------------------------------------------------------------------------------------------------------


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


LifecycleEvent = ResponseCreated | ResponseInProgress | ResponseCompleted | ResponseIncomplete | ResponseFailed

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
