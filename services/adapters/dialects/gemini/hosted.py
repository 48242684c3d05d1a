"""Parts that only Google's own tools and image models make, as the Responses items nearest to them.

None of those tools is asked for by this dialect; a model may use one all the same (image models, tuned models).
"""

import msgspec

from services.adapters.dialects.gemini.chunk import Blob, CodeExecutionResult
from services.vocabulary.event import HostedItem


def code_interpreter_call(code: str, result: CodeExecutionResult) -> HostedItem:
    """Code that ran, and what it printed."""
    failed = result.outcome not in (None, "OUTCOME_OK")
    return _item(
        "code_interpreter_call",
        status="failed" if failed else "completed",
        code=code,
        outputs=[{"type": "logs", "logs": result.output or ""}],
    )


def image_generation_call(blob: Blob) -> HostedItem:
    """An image, in base64."""
    ending = (blob.mime_type or "").rpartition("/")[2]
    return _item("image_generation_call", status="completed", result=blob.data or "", output_format=ending or None)


def _item(kind: str, **fields: object) -> HostedItem:
    return HostedItem(kind, msgspec.Raw(msgspec.json.encode({"type": kind, **fields})))
