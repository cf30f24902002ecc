"""`pagetrap describe`."""

from pathlib import Path

import pytest

from mmio import document
from mmio.commands.main import main
from tests.mmio.documents import test_document

FILE = test_document.__file__


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a class in a file, of an SVD file, of an RDL file; to a file or to standard output."""
    assert main(["describe", f"{FILE}:Card"]) == 0
    assert capsys.readouterr().out == document(test_document.Card)
    out = tmp_path / "card.svd"
    assert main(["describe", f"{FILE}:Queue", "--format", "svd", "-o", str(out)]) == 0
    assert main(["describe", f"{out}:Queue", "--format", "rdl", "-o", str(tmp_path / "queue.rdl")]) == 0
    assert main(["describe", f"{tmp_path}/queue.rdl:Queue", "--format", "c"]) == 0
    assert "#define QUEUE_TAIL_OFFSET (0x4u)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["x"], 2, "expected FILE.py:CLASS, FILE.svd:PERIPHERAL or FILE.rdl:ADDRMAP, got 'x'"),
        (["x.txt:Card"], 2, "got 'x.txt:Card'"),
        (["nowhere.py:Card"], 1, "nowhere.py: no such file"),
        ([f"{FILE}:Crad"], 1, "has no class 'Crad'; did you mean Card?"),
        ([f"{FILE}:Empty"], 1, "Empty has no registers"),
        ([f"{FILE}:_Balanced"], 1, "_Balanced is not a device"),
        (
            [f"{FILE}:Card", "-o", "/nowhere/x"],
            1,
            "/nowhere/x: No such file or directory; there is no folder /nowhere: create it first",
        ),
        ([f"{FILE}:Card", "--format", "pdf"], 2, "there is no choice 'pdf'"),
    ],
)
def test_the_command_complains_in_one_line(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit status of its kind."""
    try:
        got = main(["describe", *arguments])
    except SystemExit as end:
        got = int(end.code or 0)
    assert (got, message in capsys.readouterr().err) == (status, True)
