"""Which events pass as the bytes they came in (`dialects/runs.py`)."""

from typing import Final

from services.adapters.dialects.runs import RunFramer

_DELTAS: Final = tuple(
    f"event: response.{kind}.delta\ndata: {{".encode()
    for kind in (
        "output_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "reasoning_summary_text",
        "reasoning_text",
        "refusal",
    )
)


class VerbatimFramer(RunFramer):
    """Cuts a Responses stream into frames and runs of deltas (in the usual form, with a sequence number)."""

    @staticmethod
    def is_plain(block: bytes) -> bool:
        """Whether an event is a delta in that form."""
        return (
            block.startswith(_DELTAS)
            and b'"sequence_number":' in block
            and block.endswith(b"}")
            and block.count(b"\n") == 1
        )
