"""Checks of arguments at the call, with messages that say what was expected and what came."""

from collections.abc import Iterable
from operator import index
from os import PathLike, fspath
from reprlib import Repr
from typing import Any, Final, TypeVar

__tracebackhide__ = True  # pytest reports the call with the wrong argument

T = TypeVar("T")


class _Short(Repr):
    """Repr that says something of any value: also of an int with more digits than Python converts to decimal."""

    def repr_int(self, x: int, level: int) -> str:
        """Return an int in decimal; in hexadecimal, without its middle, where that would be long."""
        return repr(x) if x.bit_length() <= _LONG else super().repr_str(hex(x), level)[1:-1]


_LONG: Final = 256  # bits of an int that is still printed in decimal
_REPR: Final = _Short()
_REPR.maxother = _REPR.maxstring = 120  # characters: an object's class is to be seen


def shortened(value: object) -> str:
    """Return the repr of what came, without the middle of one that is long."""
    return _REPR.repr(value)


def integer(what: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return an argument as an int, if it is one, or has `__index__` as a mapping has.

    Args:
        what: the name of the argument.
        value: what came.
        least: the lowest value that is allowed.
        most: the highest.

    Raises:
        TypeError: it is no int; a bool is none.
        ValueError: it is lower or higher.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{what} is an int, not {shortened(value)}")
    if (least is not None and number < least) or (most is not None and number > most):
        expected = (
            f"from {least} up" if most is None else f"up to {most:#x}" if least is None else f"{least}..{most:#x}"
        )
        raise ValueError(f"{what} is an int, {expected}, not {shortened(value)}")
    return number


def text(what: str, value: Any) -> str:
    """Return an argument that is a str.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {shortened(value)}")
    return value


def texts(what: str, value: Any) -> tuple[str, ...]:
    """Return an argument that is several strs, such as a list of names.

    Raises:
        TypeError: it is not several strs, or it is one str.
    """
    found = None if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if found is None or not all(isinstance(each, str) for each in found):
        raise TypeError(f"{what} is a list of strs, not {shortened(value)}")
    return found


def flag(what: str, value: Any) -> bool:
    """Return an argument that is True or False, or 1 or 0.

    Raises:
        TypeError: it is neither.
    """
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError(f"{what} is True or False, not {shortened(value)}")
    return bool(value)


def instance(what: str, value: Any, kind: type[T] | tuple[type[T], ...], expected: str) -> T:
    """Return an argument that is of a class.

    Args:
        what: the name of the argument.
        value: what came.
        kind: the class, or several.
        expected: what is expected, in words: "a Clock".

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{what} is {expected}, not {shortened(value)}")
    return value


def one_of(what: str, value: Any, allowed: Iterable[str]) -> str:
    """Return an argument that is one of several words.

    Raises:
        ValueError: it is none of them.
    """
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{what} is one of {', '.join(words)}, not {shortened(value)}")
    return value


def path(what: str, value: Any) -> str:
    """Return the str of an argument that is the path of a file, or a pattern of paths.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, PathLike):
        value = fspath(value)
    if not isinstance(value, str):
        raise TypeError(f"{what} is a path, not {shortened(value)}")
    return value


def access(what: str, address: Any, width: Any) -> None:
    """Check the place of an access; `what` is "address" or "port".

    Raises:
        TypeError: the address or the width is no int.
        ValueError: there is no such width.
    """
    integer(what, address)
    integer("width", width, least=1)


def known(function: str, given: Iterable[str], names: Iterable[str]) -> None:
    """Check the names of keyword arguments that a function passes on to another.

    Args:
        function: the one that was called.
        given: the names that came.
        names: those of all its keyword arguments.

    Raises:
        TypeError: there is no such argument. The message suggests one that is spelt alike.
    """
    names = sorted(names)
    for name in given:
        if name not in names:
            from difflib import get_close_matches

            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
            raise TypeError(f"{function}() has no argument {name!r}; {hint}")
