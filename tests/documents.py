"""Pages whose blocks of code run as printed.

    PAGE = Page("docs/model-a-device.md")
    def test_it_runs(tmp_path): assert_runs(PAGE.blocks, tmp_path)

A block of Python, or of console lines (`$ command`), is run. A plain block right below one of Python is what it prints,
and what follows a command in a console block is what that prints; "…" stands for anything. What differs from run to run
and from compiler to compiler (times, threads, addresses, instructions) is shown as it was in some run, and not compared
(`masked`). A block whose first line is a comment with a file name is that file. Blocks that are run together share a
folder and Python's names, as in one long interactive session; an exception is printed and the session goes on, so a
page can show what a mistake looks like.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from code import InteractiveInterpreter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

TOP = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"^```(python|console|c|xml|systemverilog)\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE
)
_FILE = re.compile(r"(?:#|//|<!--) (\S+\.\w+)(?: -->)?\n\n*")
_COMMAND = re.compile(r"^\$ (.*)\n", re.MULTILINE)

_TEXT = r"(?:lock |rep[a-z]* )?[a-z]{2,}[a-z0-9]* ?[^ ].*"  # an instruction, to the end of its line
_MASKS = [
    (r"(?m)^( *)\d+\.\d{6}(?= )", r"\1TIME"),
    (r"TIME +\d+  +(?=RW?  |W  )", "TIME THREAD "),
    (r"\b0x[0-9a-f]{12}\b", "0xADDRESS"),
    (r"(?<=\w)\+0x[0-9a-f]+(?=  | \()", "+0xOFFSET"),
    (rf"(?m)(?<=0xADDRESS)(:?) +{_TEXT}$", r"\1 INSTRUCTION"),
    (rf"(?m)(\w\.c:\d+|\+0xOFFSET|\(\w+\.so\)|\(\w+\))  +{_TEXT}$", r"\1 INSTRUCTION"),
    (r"\b\d+\.\d+s\b", "SECONDS"),
    (r"(?m) +$", ""),
    (r" +", " "),
]


def masked(text: str) -> str:
    """Return output without what differs from run to run and from compiler to compiler, and without its alignment."""
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    return text


@frozen
class Block:
    """One piece to run: its language ("python", "console", or "file"), its code (a file's name first), its output."""

    place: str
    language: str
    code: str
    output: str


class Page:
    """A page, and its blocks in order."""

    def __init__(self, path: str) -> None:
        self.text = (TOP / path).read_text()
        self.blocks = list(self._read(path))

    def _read(self, path: str) -> Iterator[Block]:
        for match in _BLOCK.finditer(self.text):
            language, code, output = match[1], match[2], match[3] or ""
            place = f"{path}:{self.text[: match.start()].count(chr(10)) + 2}"
            if file := _FILE.match(code):
                yield Block(place, "file", f"{file[1]}\n{code}", "")
            elif language == "python":
                yield Block(place, language, code, output)
            elif language == "console":
                _, *parts = _COMMAND.split(code)
                yield from (Block(place, language, *pair) for pair in zip(parts[::2], parts[1::2], strict=True))


def plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what changes pytest's output: a page shows a run at a terminal, in black and white.

    On a CI server, which `CI` or `BUILD_NUMBER` tell, pytest shortens nothing.
    """
    changing = "PYTEST_", "FORCE_COLOR", "PY_COLORS", "CI", "BUILD_NUMBER"
    return {name: value for name, value in environment.items() if not name.startswith(changing)} | {"NO_COLOR": "1"}


def shows(shown: str, printed: str) -> bool:
    """Return whether a page shows what was printed: to the letter but for its "…", or but for what is masked, too."""
    return any(
        re.fullmatch(".*".join(re.escape(part.strip()) for part in view(shown).split("…")), view(printed).strip(), re.S)
        for view in (str, masked)
    )


def printed(blocks: Sequence[Block], folder: Path) -> list[str]:
    """Run blocks in one session in `folder` and return what each printed."""
    environment = plain(os.environ) | {
        "PYTHONPATH": str(TOP),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    session = json.dumps([(block.language, block.code) for block in blocks])
    done = subprocess.run(
        [sys.executable, "-m", "tests.documents"],
        input=session,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs: list[str] = json.loads(done.stdout)
    return outputs


def assert_runs(blocks: Sequence[Block], folder: Path) -> None:
    """Run blocks in one session in `folder` and demand that each prints what the page shows."""
    for block, output in zip(blocks, printed(blocks, folder), strict=True):
        assert shows(block.output, output), f"{block.place} shows:\n{block.output}\nbut it printed:\n{output}"


def execute(session: InteractiveInterpreter, name: str, language: str, code: str) -> None:
    """Run one block in this process: Python in the session, a command in a shell, or write a file."""
    if language == "python":
        session.runsource(code, name, "exec")
    elif language == "console":
        subprocess.run(code, shell=True, check=False)
    else:
        file, _, text = code.partition("\n")
        Path(file).write_text(text)
    sys.stdout.flush()
    sys.stderr.flush()


def _run_session() -> None:
    """Run the blocks on standard input; write what each printed to standard output. This process is the session."""
    blocks = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    session = InteractiveInterpreter({"__name__": "__main__"})
    outputs = []
    for number, (language, code) in enumerate(blocks):
        with tempfile.TemporaryFile("w+") as caught:
            # By descriptor, because commands and native code print, too.
            os.dup2(caught.fileno(), 1)
            os.dup2(caught.fileno(), 2)
            execute(session, f"<block {number}>", language, code)
            caught.seek(0)
            outputs.append(caught.read())
    json.dump(outputs, answer)
    answer.close()


if __name__ == "__main__":
    _run_session()
