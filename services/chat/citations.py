"""Citations of an answer, in places of the one text that a chat message has."""

from services.chat.objects import ChatAnnotation, FileReference, PageCitation
from services.vocabulary.event import Citation


class Citations:
    """Collects. A citation's own places count from where the open text began; one without covers the open block."""

    def __init__(self) -> None:
        self._length = 0  # of all text so far
        self._begun = 0  # where the open text began
        self._block = 0  # where its open block began
        self._uncovered: list[Citation] = []  # of the open block, whose end is still to come
        self._found: list[tuple[Citation, int, int]] = []

    def begin(self) -> None:
        """A text begins."""
        self._begun = self._block = self._length

    def said(self, characters: int) -> None:
        """The open text grew."""
        self._length += characters

    def skip(self, characters: int) -> None:
        """The gateway put something between two texts."""
        self._length += characters
        self.begin()

    def block(self) -> None:
        """A new block of the open text begins."""
        self._cover()
        self._block = self._length

    def add(self, citation: Citation) -> None:
        """A source of the open text."""
        if citation.start is None or citation.end is None:
            self._uncovered.append(citation)
        else:
            self._found.append((citation, self._begun + citation.start, self._begun + citation.end))

    def end(self) -> None:
        """The open text is complete."""
        self._cover()

    def public(self) -> tuple[list[ChatAnnotation], list[FileReference]]:
        """Web pages and files."""
        pages, files = [], []
        for citation, start, end in self._found:
            if citation.url is not None:
                pages.append(ChatAnnotation(PageCitation(citation.url, citation.title or citation.url, start, end)))
            else:
                name = citation.filename or citation.title or ""
                files.append(FileReference(citation.file_id or name, name, start, end, citation.cited_text))
        return pages, files

    def _cover(self) -> None:
        self._found += [(citation, self._block, self._length) for citation in self._uncovered]
        self._uncovered.clear()
