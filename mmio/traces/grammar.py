"""The grammar of expectations, and its parser. The table is in docs/expectations.md.

A text is cut at `;`, at line ends and at braces, and each piece is an item: an access with a count, `…`, `never` or
`any order {…}`. So a place cannot have a semicolon or a brace in its name; such a one goes by its offset.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from attrs import field, frozen

from mmio.arguments import shortened
from mmio.arguments import text as text_of
from mmio.errors import MmioError
from mmio.traces.expected import Expected, NotAnAccess
from mmio.traces.known import Known

MAX_COUNT: Final = 10_000
MAX_DEPTH: Final = 20  # of braces

_COUNT: Final = re.compile(
    r"(?P<body>.*?) *(?:(?P<star>\*) *(?:(?P<least>\d+)(?:\.\.(?P<most>\d+))?)?|(?P<sign>[+?]))?"
)
_PIECE: Final = re.compile(r"[^;{}\n]*")
_INSIDE: Final = re.compile(r"[^;,{}\n]*")  # in braces a comma will do, too
_KEYWORD: Final = re.compile(r"(never|any +order)\b *")


class ExpectationError(MmioError, ValueError):
    """A text is not a valid expectation, or uses a name that is not in the trace.

    Args:
        problem: a sentence.
        text: the line it is in.
        line: the number of that line, from 1.
        column: the place in it, from 1.
    """

    def __init__(self, problem: str, text: str, line: int = 1, column: int = 1) -> None:
        super().__init__(problem)
        self.problem = problem
        self.text = text
        self.line = line
        self.column = column

    def __str__(self) -> str:
        shown = f"    {self.text}\n    {' ' * (self.column - 1)}^"
        return f"{self.problem}\nline {self.line}, column {self.column}:\n{shown}"


@frozen(slots=True)
class Source:
    """Place of an item in what was written, and its words."""

    text: str
    line: int
    column: int
    whole: str = field(repr=False)

    def error(self, problem: str, shift: int = 0) -> ExpectationError:
        """Return an error about it, `shift` characters in."""
        return ExpectationError(problem, self.whole, self.line, self.column + shift)


@frozen(slots=True)
class Count:
    """Number of times: from `least` to `most`, None for any. `until`: it ends where the next item holds."""

    least: int = 1
    most: int | None = 1
    until: bool = False


@frozen(slots=True)
class Step:
    """An access, and how often."""

    expected: Expected
    count: Count
    source: Source


@frozen(slots=True)
class Gap:
    """Any accesses, any number of them."""

    source: Source


@frozen(slots=True)
class Never:
    """An access that must not come from here on."""

    expected: Expected
    source: Source


@frozen(slots=True)
class AnyOrder:
    """Accesses, each as often as it says, in whatever order."""

    steps: tuple[Step, ...]
    source: Source

    @property
    def length(self) -> int:
        """The number of accesses."""
        return sum(step.count.least for step in self.steps)


@frozen(slots=True)
class Group:
    """Items in order, and how often all of them."""

    items: "tuple[Item, ...]"
    count: Count
    source: Source


Item: TypeAlias = Step | Gap | Never | AnyOrder | Group
_ONCE: Final = Count()


def parse(lines: Sequence[str], known: Callable[[], Known] | None = None) -> tuple[Item, ...]:
    """Read expectations: a line each, or several with braces around them.

    Args:
        lines: the texts.
        known: returns the names that there are, for the hint of an error.

    Raises:
        ExpectationError: at the first that is none.
        TypeError: one is no str.
    """
    __tracebackhide__ = True
    if not isinstance(lines, Iterable):
        raise TypeError(f"expectations are a list of strs such as 'R4 STATUS', not {shortened(lines)}")
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            raise TypeError(f"an expectation is a str such as 'R4 STATUS', not {shortened(line)}")
        if not line.strip():
            raise ExpectationError(_syntax(line), line, number)
    return _Parser("\n".join(lines), known or Known).items(0)


def parse_access(text: str, known: Callable[[], Known] | None = None) -> Expected:
    """Read one access, of which the width may be left out, such as "W CTRL.UP=1".

    Args:
        text: the words.
        known: returns the names that there are, for the hint of an error.

    Raises:
        ExpectationError: it is none.
        TypeError: it is no str.
    """
    text_of("an expectation", text)
    return _access(Source(text, 1, 1, text), text, known or Known, partly=True)


def _access(source: Source, text: str, known: Callable[[], Known], *, partly: bool = False) -> Expected:
    __tracebackhide__ = True
    try:
        expected = Expected.parse(text, partly=partly)
    except NotAnAccess as error:
        raise source.error(str(error), error.column) from None
    space = expected.place.find(" ")
    if space >= 0 and expected.is_named and not known().has(expected.place):
        hint = known().nearest(expected.place)
        problem = _syntax(text) + f": {expected.place!r} is no name of the trace, and no other has a space in it{hint}"
        raise source.error(problem, text.index(expected.place) + space)
    return expected


def _syntax(text: str) -> str:
    return (
        f"expected an access such as 'W4 CTRL=0x1', '…', 'never W CTRL=1' or 'any order {{R4 A; R4 B}}', got {text!r}"
    )


class _Parser:
    """Reads a text from its start to its end."""

    def __init__(self, text: str, known: Callable[[], Known]) -> None:
        # A text may have a million lines: that of a trace that is compared with itself.
        self._text = text
        self._lines = text.split("\n")
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._known = known
        self._at = 0

    def items(self, depth: int) -> tuple[Item, ...]:
        """Read items up to the end of the text, or of the braces that were opened before."""
        found: list[Item] = []
        while True:
            self._skip(" \t\n;," if depth else " \t\n;")
            if self._at == len(self._text):
                if depth:
                    raise self._source("").error("expected '}' before the end of the text")
                return tuple(found)
            if self._text[self._at] == "}":
                if not depth:
                    raise self._source("}").error("'}' closes nothing: there is no '{' before it")
                self._at += 1
                return tuple(found)
            found.append(self._item(depth))

    def _item(self, depth: int) -> Item:
        start = self._at
        source = self._source("")
        keyword = _KEYWORD.match(self._text, start)
        if keyword is not None and keyword[1] != "never":
            self._at = keyword.end()
            if not self._text.startswith("{", self._at):
                raise self._source("").error("expected '{' after 'any order', as in 'any order {R4 A; R4 B}'")
            items = self._braced(depth)
            return AnyOrder(_steps(items, source), self._from(start))
        if self._text[start] == "{":
            items = self._braced(depth)
            if not items:
                raise source.error("expected an access between '{' and '}'")
            return Group(items, self._count_after(), self._from(start))
        piece = (_INSIDE if depth else _PIECE).match(self._text, start)
        assert piece is not None
        self._at = piece.end()
        if self._text.startswith("{", self._at):
            raise self._source("{").error("'{' stands at the beginning of an item, or after 'any order'")
        text = piece[0].rstrip()
        source = self._from(start, text)
        if text in ("…", "..."):
            return Gap(source)
        if keyword is not None:
            shift = keyword.end() - start
            inner = Source(text[shift:], source.line, source.column + shift, source.whole)
            return Never(_access(inner, text[shift:], self._known, partly=True), source)
        count = _COUNT.fullmatch(text)
        assert count is not None
        if not count["body"]:
            raise source.error(_syntax(text))
        return Step(_access(source, count["body"], self._known), _counted(count, source), source)

    def _braced(self, depth: int) -> tuple[Item, ...]:
        if depth == MAX_DEPTH:
            raise self._source("{").error(f"more than {MAX_DEPTH} braces are open here")
        self._at += 1
        return self.items(depth + 1)

    def _count_after(self) -> Count:
        """Read the count after a closing brace."""
        piece = _INSIDE.match(self._text, self._at)
        assert piece is not None
        source = self._from(self._at, piece[0])
        self._at = piece.end()
        count = _COUNT.fullmatch(piece[0].strip())
        if count is None or count["body"]:
            raise source.error(f"expected a count such as '*3', '+' or '?' after '}}', got {piece[0].strip()!r}")
        return _counted(count, source)

    def _skip(self, characters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1

    def _from(self, start: int, text: str | None = None) -> Source:
        line = bisect_right(self._starts, start) - 1
        column = start - self._starts[line]
        words = self._text[start : self._at].strip() if text is None else text
        return Source(" ".join(words.split("\n")), line + 1, column + 1, self._lines[line])

    def _source(self, text: str) -> Source:
        return self._from(self._at, text)


def _steps(items: Sequence[Item], source: Source) -> tuple[Step, ...]:
    """Return the items of an `any order`."""
    if not items:
        raise source.error("expected an access between '{' and '}'")
    for item in items:
        if not isinstance(item, Step) or item.count.least != item.count.most:
            raise item.source.error(
                f"in any order there are accesses, each once or '*3' times, not {item.source.text!r}"
            )
    return tuple(item for item in items if isinstance(item, Step))


def _counted(match: "re.Match[str]", source: Source) -> Count:
    if match["sign"] == "?":
        return Count(0, 1)
    if match["sign"] == "+":
        return Count(1, None, True)
    if match["star"] is None:
        return _ONCE
    if match["least"] is None:
        return Count(0, None, True)
    least = int(match["least"])
    most = int(match["most"] or least)
    if not least <= most or not 1 <= most <= MAX_COUNT:
        at = match.start("star")
        raise source.error(f"a count is from 1 to {MAX_COUNT}, or a range such as *2..5, not {match[0][at:]!r}", at)
    return Count(least, most)
