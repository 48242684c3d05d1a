"""Grounding metadata -> searches and citations.

https://ai.google.dev/gemini-api/docs/google-search
"""

from services.adapters.dialects.gemini.chunk import GroundingChunk, GroundingMetadata, Segment, Source
from services.vocabulary.event import Citation, Event, SearchDone, SearchStarted


class Grounding:
    """Collects what the searches of one answer said. Google tells of them when they are over."""

    def __init__(self) -> None:
        self._queries: dict[str, None] = {}
        self._sources: dict[str, None] = {}
        self._cited: set[tuple[str | None, str | None, int | None, int | None]] = set()
        self._shown = 0

    @property
    def searches(self) -> int:
        """How many queries there were."""
        return len(self._queries)

    def add(self, found: GroundingMetadata) -> None:
        """Takes note of queries and sources; chunks may repeat them."""
        self._queries.update(dict.fromkeys(query for query in found.web_search_queries or () if query))
        uris = (chunk.web.uri for chunk in found.grounding_chunks or () if chunk.web is not None)
        self._sources.update(dict.fromkeys(uri for uri in uris if uri))

    def searched(self) -> list[Event]:
        """Searches not shown yet. Which query found which source is not told: the first one gets them all."""
        events: list[Event] = []
        for number, query in enumerate(self._queries):
            if number >= self._shown:
                key = f"search-{number}"
                events += (SearchStarted(key), SearchDone(key, query, list(self._sources) if number == 0 else []))
        self._shown = len(self._queries)
        return events

    def citations(self, found: GroundingMetadata, text: str) -> list[Event]:
        """Sources of the open text part. Without supports every source counts for the whole text."""
        chunks = found.grounding_chunks or []
        uses: list[tuple[int, tuple[int, int] | None]] = [(index, None) for index in range(len(chunks))]
        if found.grounding_supports:
            uses = [
                (index, characters(text, support.segment) if support.segment is not None else None)
                for support in found.grounding_supports
                for index in support.grounding_chunk_indices or ()
                if 0 <= index < len(chunks)
            ]
        return [event for index, place in uses if (event := self._cite(chunks[index], place)) is not None]

    def _cite(self, chunk: GroundingChunk, place: tuple[int, int] | None) -> Citation | None:
        source = chunk.web or chunk.retrieved_context or chunk.maps or Source()
        start, end = place if place is not None else (None, None)
        name = source.title or source.file_search_store
        identity = (source.uri, name, start, end)
        if (source.uri is None and name is None) or identity in self._cited:
            return None
        self._cited.add(identity)
        if source.uri is None:
            return Citation(file_id=source.file_search_store, filename=name, start=start, end=end)
        return Citation(url=source.uri, title=source.title, start=start, end=end)


def characters(text: str, segment: Segment) -> tuple[int, int] | None:
    """The segment's place in characters. Its indices count bytes, of the part or of all the text: its words decide."""
    data = text.encode()
    start, end = segment.start_index or 0, segment.end_index or 0
    piece = data[start:end]
    if piece and segment.text in (None, piece.decode("utf-8", "replace")):
        return len(data[:start].decode("utf-8", "replace")), len(data[:end].decode("utf-8", "replace"))
    at = text.find(segment.text) if segment.text else -1
    return (at, at + len(segment.text or "")) if at >= 0 else None
