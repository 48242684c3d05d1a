"""Buckets in Redis or Valkey, shared by all replicas. Needs the package `redis` (the extra of that name).

`concentrate:metrics:<format>:minutes` is a stream of rows as they come; `…:<level>` a hash per coarser level, from place
(start, model, provider, region) to bucket. Rows move in one transaction that fails when somebody else moved first, so each
is moved once. Cluster mode is not supported: the keys of one transaction are in different slots.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.routing.metrics.bucket import FORMAT, Key, Row
from services.routing.metrics.levels import LEVELS
from services.routing.metrics.store import Read, coarser, due_before

_PREFIX: Final = f"concentrate:metrics:{FORMAT}"
_MINUTES: Final = f"{_PREFIX}:minutes"
_MINUTES_MAX: Final = 1_000_000
"""Most rows of the stream, should nobody compact: some 500 MB."""

_WAIT_S: Final = 5.0
_PAGE: Final = 1000

COMPACTING_S: Final = 300
"""For so long one compaction keeps the others away."""

BATCH_REMEMBERED_S: Final = 86_400
"""A batch may be appended again for so long without being added twice."""

_APPEND: Final = """
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[2]) then return end
for i = 5, #ARGV, 2 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'writer', ARGV[1], 'place', ARGV[i], 'bucket', ARGV[i + 1])
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[4])
"""
"""Adds a batch unless it is there: a server that was paused may do what its client has given up on."""

_COARSER: Final = range(1, len(LEVELS))

Entries = list[tuple[bytes, dict[bytes, bytes]]]
"""Rows of the stream: id and fields."""

_place: Final = msgspec.msgpack.Decoder(tuple[int, Key])


class RedisStore:
    """Buckets on a server. One connection pool; a server that does not answer within `_WAIT_S` is an `OSError`."""

    def __init__(self, url: str, *, writer: str) -> None:
        """`url`: `redis://[user:password@]host[:port][/db]`, `rediss://…` or `unix://…`. `writer`: an id nobody else has.

        Connects when it is first used. Raises `ValueError` for what is no such URL.
        """
        self._writer = writer.encode()
        # Any: redis-py's own types leave open whether a reply is text or bytes. Its retries are off: the next turn is one.
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S, retry=Retry(NoBackoff(), 0)
        )
        self._append = self._redis.register_script(_APPEND)

    def load(self) -> Read:
        with _as_os_error(), self._redis.pipeline() as pipe:
            pipe.xrange(_MINUTES)
            for level in _COARSER:
                pipe.hgetall(_hash(level))
            entries, *hashes = pipe.execute()
        rows = [_minute(fields) for _, fields in reversed(entries)]
        for level, there in zip(_COARSER, hashes, strict=True):
            places = sorted(((_place.decode(place), bucket) for place, bucket in there.items()), reverse=True)
            rows += [Row(level, start, key, bucket) for (start, key), bucket in places]
        return Read(rows, _cursor(entries, "0-0"))

    def append(self, batch: int, rows: Sequence[Row]) -> None:
        fields = [part for row in rows for part in (_encoded(row.start, row.key), row.bucket)]
        keys = [_MINUTES, f"{_PREFIX}:batch:{self._writer.decode()}"]
        with _as_os_error():
            self._append(keys=keys, args=[self._writer, batch, _MINUTES_MAX, BATCH_REMEMBERED_S, *fields])

    def since(self, cursor: str) -> Read:
        rows: list[Row] = []
        with _as_os_error():
            while True:
                entries: Entries = self._redis.xrange(_MINUTES, f"({cursor}", count=_PAGE)
                rows += [_minute(fields) for _, fields in entries if fields[b"writer"] != self._writer]
                cursor = _cursor(entries, cursor)
                if len(entries) < _PAGE:
                    return Read(rows, cursor)

    def compact(self, now: float) -> None:
        with _as_os_error(), self._redis.pipeline() as pipe, suppress(redis.WatchError):
            if not self._redis.set(f"{_PREFIX}:compacting", self._writer, nx=True, ex=COMPACTING_S):
                return
            self._move_minutes(pipe, due_before(0, now))
            for level in _COARSER:
                self._move(pipe, level, due_before(level, now))

    def close(self) -> None:
        self._redis.close()

    def _move_minutes(self, pipe: Any, before: int) -> None:
        pipe.watch(_hash(1))  # whoever moves minutes changes it
        ids: list[bytes] = []
        rows: list[Row] = []
        cursor = "0-0"
        while True:
            entries: Entries = pipe.xrange(_MINUTES, f"({cursor}", count=_PAGE)
            due = [(id, row) for id, fields in entries if (row := _minute(fields)).start < before]
            if not due:  # minutes come about in order; one that comes late moves with later ones
                break
            ids += [id for id, _ in due]
            rows += [row for _, row in due]
            cursor = _cursor(entries, cursor)
        self._write(pipe, 0, rows, lambda: pipe.xdel(_MINUTES, *ids))

    def _move(self, pipe: Any, level: int, before: int) -> None:
        pipe.watch(_hash(level), *([_hash(level + 1)] if level + 1 < len(LEVELS) else []))
        places: list[bytes] = [place for place in pipe.hkeys(_hash(level)) if _place.decode(place)[0] < before]
        buckets: list[bytes] = pipe.hmget(_hash(level), places) if places else []
        rows = [Row(level, *_place.decode(place), bucket) for place, bucket in zip(places, buckets, strict=True)]
        self._write(pipe, level, rows, lambda: pipe.hdel(_hash(level), *places))

    def _write(self, pipe: Any, level: int, rows: Sequence[Row], delete: Callable[[], object]) -> None:
        """Moves watched rows one level up, or deletes those of the last one. Raises `redis.WatchError`: somebody else did."""
        if not rows:
            pipe.unwatch()
            return
        moved: list[Row] = []
        if level + 1 < len(LEVELS):
            targets = [_encoded(LEVELS[level + 1].start(row.start), row.key) for row in rows]
            found = zip(targets, pipe.hmget(_hash(level + 1), targets), strict=True)
            there = {_place.decode(place): bucket for place, bucket in found if bucket is not None}
            moved = coarser(level, [row[1:] for row in rows], there)
        pipe.multi()
        for row in moved:
            pipe.hset(_hash(row.level), _encoded(row.start, row.key), row.bucket)
        delete()
        pipe.execute()


def _hash(level: int) -> str:
    return f"{_PREFIX}:{level}"


def _encoded(start: int, key: Key) -> bytes:
    return msgspec.msgpack.encode((start, key))


def _minute(fields: Mapping[bytes, bytes]) -> Row:
    return Row(0, *_place.decode(fields[b"place"]), fields[b"bucket"])


def _cursor(entries: Entries, before: str) -> str:
    return entries[-1][0].decode() if entries else before


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise OSError(f"the metrics in Redis: {error}") from error
