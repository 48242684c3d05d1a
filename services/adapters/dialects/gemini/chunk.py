"""GenerateContentResponse: a whole answer, or one chunk of a streamed one.

https://ai.google.dev/api/generate-content#generatecontentresponse
Every field may be absent or null; what we do not read is left out.
"""

import msgspec


class FunctionCall(msgspec.Struct, rename="camel"):
    """A call. `args` is a JSON object; AI Studio gives an id for newer models only, Vertex AI mostly none."""

    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    id: str | None = None


class Blob(msgspec.Struct, rename="camel"):
    """Bytes in base64."""

    mime_type: str | None = None
    data: str | None = None


class ExecutableCode(msgspec.Struct, rename="camel"):
    """Code the provider ran."""

    code: str | None = None


class CodeExecutionResult(msgspec.Struct, rename="camel"):
    """What the code printed."""

    outcome: str | None = None
    output: str | None = None


class Part(msgspec.Struct, rename="camel"):
    """One piece of content. A signature may stand on any kind of part."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: ExecutableCode | None = None
    code_execution_result: CodeExecutionResult | None = None


class Content(msgspec.Struct):
    """What a candidate says. `parts` is absent when a filter took them."""

    parts: list[Part] | None = None


class Segment(msgspec.Struct, rename="camel"):
    """A range of the answer's text, in bytes of UTF-8; end excluded."""

    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class Source(msgspec.Struct, rename="camel"):
    """A web page, or a document that a retrieval found."""

    uri: str | None = None
    title: str | None = None
    file_search_store: str | None = None


class GroundingChunk(msgspec.Struct, rename="camel"):
    """A source that was used."""

    web: Source | None = None
    retrieved_context: Source | None = None
    maps: Source | None = None


class GroundingSupport(msgspec.Struct, rename="camel"):
    """Which sources (by index) support which part of the text."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(msgspec.Struct, rename="camel"):
    """What a search found and where it was used."""

    web_search_queries: list[str] | None = None
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class LogprobsCandidate(msgspec.Struct, rename="camel"):
    """A token and its log probability."""

    token: str = ""
    log_probability: float = 0.0


class TopCandidates(msgspec.Struct):
    """The likeliest tokens of one step, most likely first."""

    candidates: list[LogprobsCandidate] | None = None


class LogprobsResult(msgspec.Struct, rename="camel"):
    """One entry per step in both lists."""

    chosen_candidates: list[LogprobsCandidate] | None = None
    top_candidates: list[TopCandidates] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer; we ask for one."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: GroundingMetadata | None = None
    logprobs_result: LogprobsResult | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why a prompt was not answered."""

    block_reason: str | None = None


class UsageMetadata(msgspec.Struct, rename="camel"):
    """Counts so far. The cached are a part of the prompt; tool use and thoughts are extra."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """The whole. `error` is a `google.rpc.Status` in place of an answer."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    error: msgspec.Raw = msgspec.Raw()
