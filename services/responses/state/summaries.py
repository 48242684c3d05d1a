"""Compaction items of ours: a summary of what came before, sealed for the tenant it belongs to, and read back as a message.

The item looks as OpenAI's does (`type: compaction`, `encrypted_content`), so clients keep it and send it back as it came.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from services.errors import InvalidRequest
from services.responses.state.condensing import KIND
from services.responses.state.items import head_of
from services.storage.sealing import Sealer, Unsealable
from services.vocabulary.seal import seal, unseal

PROVIDER: Final = "concentrate"
_OPENING: Final = "This is a summary of the conversation before. Go on from here.\n\n"


class _Compaction(msgspec.Struct):
    encrypted_content: str = ""


_compaction = msgspec.json.Decoder(_Compaction)


class Summaries:
    """Makes compaction items, and opens them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def item(self, summary: str, tenant: str, item_id: str) -> dict[str, str]:
        """The compaction item of a summary."""
        blob = base64.urlsafe_b64encode(self._sealer.seal(summary.encode(), tenant)).decode()
        return {"id": item_id, "type": KIND, "encrypted_content": seal(blob, PROVIDER, "", KIND)}

    def opened(self, given: Sequence[msgspec.Raw], tenant: str) -> list[msgspec.Raw]:
        """The items, with messages in the place of compaction items of ours. Raises `InvalidRequest` for another tenant's."""
        return [self._opened(item, index, tenant) for index, item in enumerate(given)]

    def _opened(self, item: msgspec.Raw, index: int, tenant: str) -> msgspec.Raw:
        if head_of(item).type != KIND:
            return item
        sealed = unseal(_compaction.decode(item).encrypted_content)
        if sealed.provider != PROVIDER:
            return item
        try:
            summary = self._sealer.open(base64.urlsafe_b64decode(sealed.blob), tenant).decode()
        except (Unsealable, binascii.Error, UnicodeDecodeError):
            where = f"input[{index}].encrypted_content"
            raise InvalidRequest(f"This compaction item cannot be read (at {where}).", param=where) from None
        content = [{"type": "input_text", "text": _OPENING + summary}]
        message = {"type": "message", "role": "developer", "content": content}
        return msgspec.Raw(msgspec.json.encode(message))
