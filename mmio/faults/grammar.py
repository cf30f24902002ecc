"""Faults as lines of text: `USART2.SR stuck TXE=0 after 3 reads`.

    PLACE EFFECT [BITS] [by SPAN] [after N UNIT | at UNIT N] [from TIME] [when REGISTER.FIELD=VALUE]
                 [with probability P] [seed N] [for N UNIT | for TIME]

The clauses may come in any order, each once. What is wrong is named with its column; whether there is such a register
is known only when the faults meet a device.
"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from mmio.arguments import shortened
from mmio.faults.errors import FaultError
from mmio.faults.fault import KINDS, MOST, TIMES, Condition, Fault, Schedule, Setting, Span, Unit

_UNITS: Final[dict[str, Unit]] = {
    "read": "read",
    "reads": "read",
    "write": "write",
    "writes": "write",
    "access": "access",
    "accesses": "access",
    "interrupt": "interrupt",
    "interrupts": "interrupt",
}
_TIME: Final = re.compile(r"(-?\d+)(s|ms|us|ns)", re.ASCII)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|\d+", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CLAUSES: Final = ("by", "after", "at", "from", "when", "with", "seed", "for")
_LONGEST: Final = 4000  # characters of a line


def parse(*lines: str) -> Schedule:
    """Return the faults that lines mean; see docs/faults.md for the grammar.

        faults.parse("SR stuck TXE=0 after 3 reads", "irq lost at interrupt 2")

    Args:
        lines: a fault each, or several with line ends between them. Empty ones, and what follows a `#`, are left out.

    Raises:
        FaultError: a line is no fault; it names the word, and its column.
        TypeError: one is no str.
    """
    found: list[Fault] = []
    for given in lines:
        if not isinstance(given, str):
            raise TypeError(f"a fault is a line of text, such as 'SR stuck TXE=0', not {shortened(given)}")
        for line in given.splitlines():
            bare = line.partition("#")[0]
            if bare.strip():
                found.append(_Line(bare).fault())
    return Schedule(tuple(found))


class _Line:
    """The words of one line, taken one after the other."""

    def __init__(self, line: str) -> None:
        self._line = line.strip()
        if len(self._line) > _LONGEST:
            raise FaultError(f"a fault is a line of at most {_LONGEST} characters, got {len(self._line)}")
        self._words = [(match[0], match.start() + 1) for match in re.finditer(r"\S+", self._line)]
        self._at = 0

    def fault(self) -> Fault:
        place = self._take("a register, a line or a device")
        effect: Any = self._take(f"an effect ({', '.join(KINDS)})").lower()
        if effect not in KINDS:
            self._back()
            self._refuse("is no effect", KINDS)
        parts: dict[str, Any] = {}
        kind = KINDS[effect]
        if kind.settings == "some":
            parts["settings"] = tuple(self._settings())
        elif kind.settings == "one" and self._next() not in (None, *_CLAUSES):
            parts["flag"] = self._condition()
        while (word := self._next()) is not None:
            if word not in _CLAUSES:
                self._refuse("is no clause", _CLAUSES)
            name = {"from": "start", "with": "probability", "for": "limit"}.get(word, word)
            if name in parts:
                self._refuse("comes twice")
            self._at += 1
            parts[name] = self._readers[word](self)
        return Fault(place=place, effect=effect, **parts)

    def _settings(self) -> Iterator[Setting]:
        first = self._at
        while (word := self._next()) is not None and word not in _CLAUSES:
            if self._at > first and "=" not in word and not _NUMBER.match(word):
                self._refuse("is neither bits nor a clause", _CLAUSES)
            self._at += 1
            name, equal, text = word.rpartition("=")
            if bool(name) != bool(equal) or (name and not _NAME.fullmatch(name)):
                self._back()
                self._refuse("are no bits: expected FIELD=VALUE, bitN=VALUE, or the register's VALUE or VALUE/MASK")
            yield self._setting(name, text)

    def _setting(self, name: str, text: str) -> Setting:
        value, slash, mask = text.partition("/")
        if slash and (name or not _NUMBER.fullmatch(mask)):
            self._back()
            self._refuse("has a mask, which only a register's value has, as a number: 0x80/0xf0")
        if not _NUMBER.fullmatch(value) and not (name and _NAME.fullmatch(value)):
            self._back()
            self._refuse("has no value that is a number, or a name of an enumeration")
        return Setting(name, _number(value), _number(mask) if slash else None)  # type: ignore[arg-type]

    def _condition(self) -> Condition:
        word = self._take("a condition, as CTRL.UP=1 or CTRL=0x1")
        place, equal, text = word.partition("=")
        if not place or not equal:
            self._back()
            self._refuse("is not a condition: expected REGISTER.FIELD=VALUE or REGISTER=VALUE")
        register, dot, name = place.rpartition(".")
        if dot and register and _NAME.fullmatch(name):
            return Condition(register, self._setting(name, text))
        return Condition(place, self._setting("", text))

    def _span(self) -> Span:
        word = self._take("a number of accesses, or a time")
        if (time := self._time(word)) is not None:
            return Span(time, "ns")
        count = self._count(word)
        return Span(count, self._unit())

    def _at_what(self) -> Span:
        word = self._take("read, write, access or interrupt, and its number")
        if (time := self._time(word)) is not None:
            return Span(time, "ns")
        self._back()
        unit = self._unit()
        return Span(self._count(self._take("a number, from 1")), unit)

    def _start(self) -> int:
        word = self._take("a time, such as 10us")
        time = self._time(word)
        if time is None:
            self._back()
            self._refuse("is not a time, such as 10us: a number and ns, us, ms or s")
        return time

    def _time(self, word: str) -> int | None:
        match = _TIME.fullmatch(word)
        if match is None:
            return None
        if match[1].startswith("-"):
            self._back()
            self._refuse("is negative: times are from 0")
        return self._fitting(int(match[1]) * TIMES[match[2]])

    def _unit(self) -> Unit:
        word = self._take("reads, writes, accesses or interrupts")
        if word not in _UNITS:
            self._back()
            self._refuse("is no unit", _UNITS)
        return _UNITS[word]

    def _count(self, word: str) -> int:
        if not _NUMBER.fullmatch(word):
            self._back()
            self._refuse(
                "is not a number from 0 up" if word.startswith("-") else "is neither a number nor a time (10us)"
            )
        return self._fitting(int(_number(word)))

    def _fitting(self, number: int) -> int:
        """Return a number that was taken just now, if it is not too high."""
        if number > MOST:
            self._back()
            self._refuse(f"is too much: counts, seeds and times in ns are up to {MOST:#x}")
        return number

    def _probability(self) -> float:
        self._expect("probability")
        word = self._take("a probability, such as 0.25")
        try:
            return float(word)
        except ValueError:
            self._back()
            self._refuse("is not a probability, such as 0.25")

    def _seed(self) -> int:
        return self._count(self._take("a number"))

    _readers: Final[dict[str, Callable[["_Line"], Any]]] = {
        "by": _span,
        "after": _span,
        "at": _at_what,
        "from": _start,
        "when": _condition,
        "with": _probability,
        "seed": _seed,
        "for": _span,
    }

    def _next(self) -> str | None:
        return self._words[self._at][0] if self._at < len(self._words) else None

    def _take(self, expected: str) -> str:
        word = self._next()
        if word is None:
            raise FaultError(f"fault {shortened(self._line)}: expected {expected} at the end")
        self._at += 1
        return word

    def _back(self) -> None:
        self._at -= 1

    def _expect(self, expected: str) -> None:
        if self._take(f"`{expected}`") != expected:
            self._back()
            self._refuse(f"is not {expected!r}")

    def _refuse(self, problem: str, known: Any = ()) -> NoReturn:
        word, column = self._words[self._at]
        close = get_close_matches(word.lower(), list(known), 1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}" if known else ""
        raise FaultError(f"fault {shortened(self._line)}: {shortened(word)} (column {column}) {problem}{hint}")


def _number(text: str) -> int | str:
    """Return the number that a text is, or the name."""
    if not _NUMBER.fullmatch(text):
        return text
    return int(text, 0) if text[:2].lower() in ("0x", "0b") else int(text)
