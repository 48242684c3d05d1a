"""Cache points: blocks that say that all before them may be kept by the provider.

https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
"""

from typing import Final

from services.adapters.dialects.bedrock_converse.families import Family
from services.adapters.dialects.bedrock_converse.losses import Losses
from services.adapters.dialects.bedrock_converse.specs import Block

POINTS_MAX: Final = 4  # of every family that has them


def cache_point(ttl: str, model: Family, param: str, losses: Losses) -> Block:
    """A `cachePoint` block. Five minutes are the default and not said: not every model knows the field."""
    if ttl == "1h" and not model.cache_hour:
        losses.add(param, "changed", "The model's prompt cache keeps five minutes.")
    return {"cachePoint": {"type": "default", "ttl": "1h"} if ttl == "1h" and model.cache_hour else {"type": "default"}}


def keep_latest_cache_points(
    tools: list[Block], system: list[Block], messages: list[dict[str, object]], losses: Losses
) -> None:
    """Leaves out the earliest points beyond what Bedrock takes: the later ones cover what those did.

    None may outlive one before it, and what stands before an hour's is kept for an hour anyway.
    """
    lists = [tools, system, *(message["content"] for message in messages)]
    places = [
        (blocks, block) for blocks in lists if isinstance(blocks, list) for block in blocks if "cachePoint" in block
    ]
    for blocks, point in places[:-POINTS_MAX]:
        at = next(index for index, block in enumerate(blocks) if block is point)
        del blocks[at]
    hour = False
    for _, block in reversed(places[-POINTS_MAX:]):
        hour = hour or "ttl" in block["cachePoint"]
        if hour and "ttl" not in block["cachePoint"]:
            block["cachePoint"] = {"type": "default", "ttl": "1h"}
            losses.add(
                "cache_control", "changed", "Sent as 1h: a point of an hour follows, which no shorter one may precede."
            )
    if len(places) > POINTS_MAX:
        losses.add("cache_control", "dropped", f"Bedrock takes {POINTS_MAX} cache points; the earliest were left out.")
