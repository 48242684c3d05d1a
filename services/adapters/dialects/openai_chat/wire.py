"""The part of a chat completion that we read: of a whole answer and of a stream's chunks, whose shapes are almost the same.

https://platform.openai.com/docs/api-reference/chat/object and …/chat-streaming; https://docs.mistral.ai/api (lists as
content). All fields are optional, because some compatible server leaves out each of them.
"""

import msgspec


class Function(msgspec.Struct, gc=False):
    """Name and arguments of a call; arguments are an object instead of its text at some servers."""

    name: str | None = None
    arguments: str | dict[str, msgspec.Raw] | None = None


class Custom(msgspec.Struct, gc=False):
    """Name and input of a free-text call."""

    name: str | None = None
    input: str | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Custom | None = None


class Reference(msgspec.Struct, gc=False):
    """A source that a text part names."""

    url: str | None = None
    title: str | None = None


class Part(msgspec.Struct, gc=False):
    """A part of a content list: text, or Mistral's thinking."""

    type: str = "text"
    text: str | None = None
    thinking: "list[Part] | str | None" = None
    references: list[Reference] | None = None


class UrlCitation(msgspec.Struct, gc=False):
    """Where a piece of the text comes from."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct, gc=False):
    """A note on the text."""

    url_citation: UrlCitation | None = None


class Message(msgspec.Struct, gc=False):
    """What the assistant says: a whole message, or the delta of a chunk."""

    content: str | list[Part] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    annotations: list[Annotation] | None = None


class Logprobs(msgspec.Struct, gc=False):
    """Log probabilities of the content's tokens, as they came."""

    content: msgspec.Raw = msgspec.Raw()


class Choice(msgspec.Struct, gc=False):
    """One of the answers; we ask for one."""

    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class PromptDetails(msgspec.Struct, gc=False):
    """Prompt tokens by what the cache did with them."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """Generated tokens by kind."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """Token counts. Mistral says num_cached_tokens, Moonshot and Together cached_tokens, DeepSeek prompt_cache_hit_tokens."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    num_cached_tokens: int | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None


class Groq(msgspec.Struct, gc=False):
    """Groq's own place for usage, seen through Hugging Face."""

    usage: Usage | None = None


class Completion(msgspec.Struct, gc=False):
    """A whole answer or one chunk. `error`, `errors` and `object: error` are how failures arrive after a status of 200."""

    choices: list[Choice] | None = None
    usage: Usage | None = None
    x_groq: Groq | None = None
    service_tier: str | None = None
    citations: list[str] | None = None
    object: str | None = None
    error: dict[str, msgspec.Raw] | str | None = None
    errors: list[msgspec.Raw] | None = None

    @property
    def failed(self) -> bool:
        """Whether this is an error and not an answer."""
        return bool(self.error or self.errors) or self.object == "error"


decode = msgspec.json.Decoder(Completion).decode
