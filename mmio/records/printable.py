"""Make text safe to show on a terminal.

Names come from traced programs, trace files, register descriptions and models. A control character among them would be
obeyed by the terminal: ESC and the C1 controls begin sequences that move the cursor, change the title or answer back
(ECMA-48), BS and CR overwrite what was printed, and the bidirectional controls reorder a line (Unicode TR 36).
"""


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return text with everything that is not printable, by `str.isprintable`, as a Python escape: "\x1b".

    Args:
        text: any string, with lone surrogates, too.
        lines: keep line feeds, in a message of several lines.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or (lines and c == "\n") else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
