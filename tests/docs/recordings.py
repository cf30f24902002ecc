"""Recordings of a terminal in the tutorials: what a page has its reader type, and what that prints.

`python -m tests.docs.recordings` makes them, each as a drawing beside its page. All blocks of a page are run, in order;
shown are the commands up to the last run of pytest, and between them the Python that prints a table of accesses.
"""

import ast
import os
import sys
import tempfile
from code import InteractiveInterpreter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from tests import terminal
from tests.documents import TOP, Block, Page, execute, plain

PAGES = ("docs/model-a-device.md", "docs/firmware.md")

_PROMPT = "\x1b[1;32m{}\x1b[0m "
_TABLE = "R/W  width"


def drawing_of(page: str) -> Path:
    """Return the file of a page's recording."""
    return (TOP / page).with_suffix(".svg")


def recording(page: str) -> str:
    """Return the recording of a page as it is now: a drawing."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = plain(os.environ) | {"PYTHONPATH": str(TOP), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("NO_COLOR")
        command = (sys.executable, "-m", "tests.docs.recordings", page)
        text = terminal.printed(*command, environment=environment, folder=Path(folder))
    return terminal.picture(text, title=Page(page).text.partition("\n")[0].removeprefix("# "))


def shown(blocks: list[Block]) -> Iterator[tuple[Block, bool]]:
    """Yield the blocks up to the last run of pytest, and whether each is shown."""
    commands = [number for number, block in enumerate(blocks) if block.language == "console"]
    last = max(number for number in commands if "pytest" in blocks[number].code)
    for number, block in enumerate(blocks[: last + 1]):
        yield block, number in commands or (block.language == "python" and _TABLE in block.output)


def record(page: str) -> None:
    """Run the blocks of a page in this process, on this terminal, and in this folder."""
    session = InteractiveInterpreter({"__name__": "__main__"})
    for block, visible in shown(Page(page).blocks):
        for piece in _pieces(block):
            if visible:
                print(*_typed(block.language, piece), sep="\n", flush=True)
            with _silence(visible):
                execute(session, block.place, block.language, piece)


def _pieces(block: Block) -> list[str]:
    """Return what is typed at once: a statement of Python, a command, or the whole of a file."""
    if block.language != "python":
        return [block.code]
    lines = block.code.splitlines()
    statements = ast.parse(block.code).body
    starts = [min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) for node in statements]
    pieces = [lines[start - 1 : end - 1] for start, end in pairwise([*starts, len(lines) + 1])]
    return ["\n".join(piece).rstrip() + "\n" for piece in pieces]


def _typed(language: str, code: str) -> Iterator[str]:
    """Yield what a reader types, behind the prompts of the shell or of Python."""
    for number, line in enumerate(code.rstrip("\n").split("\n")):
        prompt = "$" if language == "console" else "..." if number else ">>>"
        yield _PROMPT.format(prompt) + line


@contextmanager
def _silence(visible: bool) -> Iterator[None]:
    """Keep what is printed by this process and its commands off the terminal, unless it is to be visible."""
    kept = [os.dup(number) for number in (1, 2)]
    if not visible:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
        os.close(nowhere)
    try:
        yield
    finally:
        for number, file in enumerate(kept, 1):
            os.dup2(file, number)
            os.close(file)


def main() -> None:
    """Make all recordings."""
    for page in PAGES:
        drawing_of(page).write_text(recording(page))


if __name__ == "__main__":
    record(sys.argv[1]) if sys.argv[1:] else main()
