"""Chunks of an answer -> Events.

There is no end mark: the last chunk has a `finishReason`, but others may have one too, so an answer is judged when the bytes
end. Counts are cumulative; a later chunk may leave some out.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.gemini.chunk import Candidate, Chunk, FunctionCall, LogprobsResult, Part, UsageMetadata
from services.adapters.dialects.gemini.errors import read_stream_error
from services.adapters.dialects.gemini.family import searches_are_charged_each
from services.adapters.dialects.gemini.grounding import Grounding
from services.adapters.dialects.gemini.hosted import code_interpreter_call, image_generation_call
from services.adapters.dialects.gemini.names import client_names
from services.catalog.schema import Target
from services.vocabulary.call import Call, CustomTool
from services.vocabulary.event import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    ReasoningSealed,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage
from services.wire.frame import Frame

_FINISH: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}  # any other reason (MALFORMED_FUNCTION_CALL, UNEXPECTED_TOOL_CALL, OTHER…) says that the generation failed

_NOTHING: Final = (b"", b"null")  # raw JSON that was absent or null

_chunks = msgspec.json.Decoder(Chunk)


class GeminiDecoder:
    """Reads one answer."""

    def __init__(self, call: Call, target: Target) -> None:
        self._names = client_names(call)
        self._custom = {tool.name for tool in call.tools if isinstance(tool, CustomTool)}
        self._charged_each = searches_are_charged_each(target.upstream)
        self._grounding = Grounding()
        self._usage = UsageMetadata()
        self._text: list[str] = []  # of the open text part
        self._late: list[ReasoningSealed] = []  # signatures of that text, to follow it
        self._code = ""
        self._calls = 0
        self._begun = False
        self._finish = ""
        self._finish_message = ""
        self._blocked = False

    def feed(self, frame: Frame) -> Sequence[Event]:
        """Events of one chunk."""
        try:
            chunk = _chunks.decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError(Kind.PROTOCOL, f"Not a chunk of an answer: {error}") from None
        if bytes(chunk.error) not in _NOTHING:
            raise read_stream_error(bytes(chunk.error))
        if chunk.usage_metadata is not None:
            self._count(chunk.usage_metadata)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = True
        out: list[Event] = []
        if chunk.candidates:
            self._candidate(chunk.candidates[0], out)
        return out

    def close(self) -> Sequence[Event]:
        """The end of the answer. Raises `UpstreamError(TRUNCATED)` when no chunk said that it was the last."""
        if not self._finish and not self._blocked:
            raise UpstreamError(Kind.TRUNCATED, "The answer ended before it was finished.")
        reason = _FINISH.get(self._finish) if self._finish else "content_filter"
        if reason is None:
            words = self._finish_message or f"Gemini stopped generating: {self._finish}."
            raise UpstreamError(Kind.FAILED, words, code=self._finish)
        if reason == "stop" and self._calls:
            reason = "tool_calls"
        out: list[Event] = []
        self._leave_text(out)
        out += self._grounding.searched()
        out += (UsageReported(self._total()), Finished(reason))
        return out

    # ---- one chunk ---------------------------------------------------------------------------------------------------

    def _candidate(self, candidate: Candidate, out: list[Event]) -> None:
        grounding = candidate.grounding_metadata
        if grounding is not None:
            self._grounding.add(grounding)
            if not self._begun:  # a whole answer tells of its searches before its text
                out += self._grounding.searched()
        logprobs = _logprobs(candidate.logprobs_result)
        for part in (candidate.content.parts if candidate.content is not None else None) or ():
            self._part(part, logprobs if part.text and not part.thought else None, out)
            if part.text and not part.thought:
                logprobs = None
        if grounding is not None and self._text:
            out += self._grounding.citations(grounding, "".join(self._text))
        if candidate.finish_reason:
            self._finish = candidate.finish_reason
            self._finish_message = candidate.finish_message or ""

    def _part(self, part: Part, logprobs: msgspec.Raw | None, out: list[Event]) -> None:
        self._begun = True
        if part.function_call is not None:
            self._leave_text(out)
            if part.thought_signature:
                out.append(ReasoningSealed(part.thought_signature, "function_call"))
            self._call(part.function_call, out)
        elif part.thought:
            self._leave_text(out)
            if part.text:
                out.append(ReasoningDelta(part.text))
            if part.thought_signature:
                out.append(ReasoningSealed(part.thought_signature, "thought"))
        elif part.text is not None:
            self._said(part.text, part.thought_signature, logprobs, out)
        elif part.executable_code is not None:
            self._code = part.executable_code.code or ""
        elif part.code_execution_result is not None:
            self._leave_text(out)
            out.append(code_interpreter_call(self._code, part.code_execution_result))
            self._code = ""
        elif part.inline_data is not None:
            self._leave_text(out)
            out.append(image_generation_call(part.inline_data))

    def _said(self, text: str, signature: str | None, logprobs: msgspec.Raw | None, out: list[Event]) -> None:
        if signature and self._text:  # the text is out already: its signature follows when it ends
            self._late.append(ReasoningSealed(signature, "text_end" if text else "empty"))
        elif signature:
            out.append(ReasoningSealed(signature, "text" if text else "empty"))
        if text:
            self._text.append(text)
            out.append(TextDelta(text, logprobs))

    def _leave_text(self, out: list[Event]) -> None:
        if self._text:
            self._text.clear()
            out += self._late
            self._late.clear()

    def _call(self, call: FunctionCall, out: list[Event]) -> None:
        key = f"call-{self._calls}"
        self._calls += 1
        name = self._names.get(call.name or "", call.name or "")
        custom = name in self._custom
        raw = bytes(call.args)
        arguments = "{}" if raw in _NOTHING else msgspec.json.format(raw, indent=-1).decode("utf-8", "replace")
        out += (
            ToolCallStarted(key, call.id or "", name, custom),
            ToolCallDelta(key, _free_text(arguments) if custom else arguments),
            ToolCallDone(key),
        )

    # ---- usage -------------------------------------------------------------------------------------------------------

    def _count(self, found: UsageMetadata) -> None:
        known = self._usage
        for name in UsageMetadata.__struct_fields__:
            value = getattr(found, name)
            if value is not None:
                setattr(known, name, value)

    def _total(self) -> Usage:
        found = self._usage
        prompt = (found.prompt_token_count or 0) + (found.tool_use_prompt_token_count or 0)
        cached = min(found.cached_content_token_count or 0, prompt)
        thoughts = found.thoughts_token_count or 0
        searches = self._grounding.searches
        return Usage(
            input=prompt - cached,
            cache_read=cached,
            output=(found.candidates_token_count or 0) + thoughts,
            reasoning=thoughts,
            web_searches=searches if self._charged_each else min(searches, 1),
        )


def _free_text(arguments: str) -> str:
    """The one argument of a custom tool; what the model sent instead, where it did not keep to that."""
    given = msgspec.json.decode(arguments)
    text = given.get("input") if isinstance(given, dict) else None
    return text if isinstance(text, str) else arguments


def _logprobs(found: LogprobsResult | None) -> msgspec.Raw | None:
    """OpenAI's array of token objects."""
    if found is None or not found.chosen_candidates:
        return None
    tops = [top.candidates or [] for top in found.top_candidates or ()]
    tokens = []
    for number, chosen in enumerate(found.chosen_candidates):
        top = tops[number] if number < len(tops) else []
        entry = _token(chosen.token, chosen.log_probability)
        entry["top_logprobs"] = [_token(other.token, other.log_probability) for other in top]
        tokens.append(entry)
    return msgspec.Raw(msgspec.json.encode(tokens))


def _token(token: str, logprob: float) -> dict[str, object]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
