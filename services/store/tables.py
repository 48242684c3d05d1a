"""The tables of this room. Times are Unix seconds, leases Unix milliseconds; contents are sealed (storage/sealing.py)."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, text

from services.storage.schema import metadata

responses: Final = Table(
    "responses",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("previous_id", String(64)),
    Column("conversation_id", String(64)),
    # The response object, its `output` apart, and the request's own `input`: JSON. A chain is read without its heads.
    Column("head", LargeBinary, nullable=False),
    Column("output", LargeBinary, nullable=False),
    Column("input", LargeBinary, nullable=False),
    # The last event of its stream; -1: there was no stream, or not all of it was kept.
    Column("last_number", Integer, nullable=False, server_default=text("-1")),
    # Work in the background: who does it until when, how often it was begun, and all that is needed to do it.
    Column("background", Boolean, nullable=False, server_default=text("false")),
    Column("owner", String(64)),
    Column("lease_until", BigInteger),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("work", LargeBinary),
)

Index("ix_responses_expires_at", responses.c.expires_at)
Index("ix_responses_previous_id", responses.c.previous_id)
Index("ix_responses_lease_until", responses.c.lease_until)

response_events: Final = Table(
    "response_events",
    metadata,
    Column("response_id", String(64), ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    # Sequence numbers of the first and the last event in `frames`, which are server-sent events.
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("frames", LargeBinary, nullable=False),
)

Index("ix_response_events_at", response_events.c.at)

response_items: Final = Table(
    "response_items",
    metadata,
    # Output items with an id of the provider's own, by which clients refer to them.
    Column("response_id", String(64), ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("item_id", String(128), primary_key=True),
)

Index("ix_response_items_item_id", response_items.c.item_id)

conversations: Final = Table(
    "conversations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    Column("next_position", Integer, nullable=False, server_default=text("0")),
)

conversation_items: Final = Table(
    "conversation_items",
    metadata,
    Column("conversation_id", String(64), ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("id", String(128), nullable=False),
    Column("item", LargeBinary, nullable=False),
)

Index(
    "uq_conversation_items_conversation_id_id",
    conversation_items.c.conversation_id,
    conversation_items.c.id,
    unique=True,
)
