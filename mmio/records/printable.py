"""Make text safe to show on a terminal, and encodable in the terminal's encoding.

Names come from traced programs, trace files, register descriptions and models. A control character among them would be
obeyed by the terminal: ESC and the C1 controls begin sequences that move the cursor, change the title or answer back
(ECMA-48), BS and CR overwrite what was printed, and the bidirectional controls reorder a line (Unicode TR 36).

A terminal of another encoding than UTF-8 (LC_ALL=C, PYTHONIOENCODING=latin-1) has no bars and no ellipsis. They are
replaced before a table is aligned, because what stands for them may be longer.
"""

import re
import sys
from typing import Final, TextIO

_PLAIN: Final = {"…": "...", "µ": "u", "←": "<-", **dict(zip("▁▂▃▄▅▆▇█▀", ".:-=+*#@^", strict=True))}
"""What stands for the characters that pagetrap draws with, where an encoding does not have them."""

_LONG_NUMBER: Final = re.compile(r"[0-9a-fA-FxX]{200,}")


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text with everything that is not printable, by `str.isprintable`, as a Python escape: "\x1b".

    Args:
        text: any string, with lone surrogates, too.
        lines: keep line feeds, in a message of several lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else _escape(c) for c in text)


def encodable(text: str, stream: TextIO | None = None) -> str:
    """Return text with what a stream's encoding does not have in ASCII: bars and ellipses drawn, the rest escaped.

    Args:
        text: any string.
        stream: where it is going to be written, standard output when left out.
    """
    if text.isascii():
        return text
    encoding = getattr(sys.stdout if stream is None else stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(map(_plain, text))  # all of it, or some bars of a row would be blocks and others letters
    return text


def brief(text: str) -> str:
    """Return a message in which what is only a long number is cut in the middle: thousands of digits tell nothing."""
    return _LONG_NUMBER.sub(lambda number: f"{number[0][:20]}...{number[0][-4:]}", text)


def _plain(character: str) -> str:
    return character if character.isascii() else _PLAIN.get(character) or _escape(character)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
