"""What a command prints on a terminal, and a picture of that, as SVG."""

import os
import pty
import re
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 140
_NAME = "pagetrap"
_NO_DOWNLOADS = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
_SVG = "{http://www.w3.org/2000/svg}"


def printed(*command: str, environment: Mapping[str, str], folder: Path) -> str:
    """Return what a command prints on a terminal of `COLUMNS` columns, with the codes of its colours."""
    master, terminal = pty.openpty()
    kind = {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    before = os.getcwd()
    os.chdir(folder)  # posix_spawn has no parameter for it
    try:
        streams = [(os.POSIX_SPAWN_DUP2, terminal, number) for number in (1, 2)]
        pid = os.posix_spawn(command[0], command, {**environment, **kind}, file_actions=streams)
    finally:
        os.chdir(before)
    os.close(terminal)
    output = b""
    try:
        while data := os.read(master, 1 << 16):
            output += data
    except OSError:  # EIO: the last process has closed the terminal
        pass
    os.close(master)
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{command} ended with status {code} and printed:\n{output.decode()}")
    return output.decode().replace("\r\n", "\n")


def picture(text: str, title: str) -> str:
    """Return a drawing of a terminal on which a text stands, and `title` on its frame."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in text.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    drawing = console.export_svg(title=title, code_format=_NO_DOWNLOADS, unique_id=_NAME)
    return "\n".join(line.rstrip() for line in drawing.splitlines()) + "\n"


def lines(drawing: str) -> Iterator[str]:
    """Yield the lines of text in a drawing that `picture` has made, without what is beside them."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for element in ElementTree.fromstring(drawing).iter(f"{_SVG}text"):
        if row := element.get("clip-path"):
            rows.setdefault(row, []).append((float(element.get("x", "0")), element.text or ""))
    for pieces in rows.values():
        yield "".join(text for _, text in sorted(pieces)).replace("\N{NO-BREAK SPACE}", " ").rstrip()
