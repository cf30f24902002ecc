"""The demo as a picture: what it prints on a terminal, in colour, as SVG. Made for the README.

python picture.py FILE.svg [LINES]
"""

import os
import pty
import re
import sys
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 118
_NO_DOWNLOADS = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def on_a_terminal(*command: str) -> str:
    """Return what a command prints on a terminal."""
    master, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    pid = os.posix_spawn(command[0], command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, terminal, 1)])
    os.close(terminal)
    output = b""
    try:
        while data := os.read(master, 1 << 16):
            output += data
    except OSError:  # the terminal is closed
        pass
    os.waitpid(pid, 0)
    return output.decode().replace("\r\n", "\n")


def main(file: Path, lines: int = 41) -> None:
    """Run the demo and draw the first lines."""
    text = on_a_terminal(sys.executable, str(Path(__file__).with_name("demo.py")))
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in text.split("\n")[:lines]:
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    drawing = console.export_svg(title="$ make demo", code_format=_NO_DOWNLOADS, unique_id="pagetrap")
    file.write_text("\n".join(line.rstrip() for line in drawing.splitlines()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
