"""The file of a trace."""

import errno
from pathlib import Path

import pytest

from mmio import open_trace
from mmio.commands.output import Output
from tests.mmio.sample_traces import access


def test_records_are_written(tmp_path: Path) -> None:
    """The suffix says how, or the format that is named."""
    for name, form in (("run.jsonl", None), ("run.log", "mmiotrace")):
        output = Output(str(tmp_path / name), form)
        output.write(access())
        output.close()
        assert [read.value for read in open_trace(tmp_path / name)] == [3]
        assert not output.failed


@pytest.mark.parametrize(
    ("path", "error"),
    [("/no/such/folder/run.jsonl", FileNotFoundError), ("run.xyz", ValueError), ("/dev/null/run.jsonl", OSError)],
)
def test_what_cannot_be_opened(path: str, error: type[Exception]) -> None:
    """It is an error at once."""
    with pytest.raises(error):
        Output(path, None)


def test_a_full_disk_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is raised, so that the program runs on; what was written stays."""
    path = tmp_path / "run.jsonl"
    output = Output(str(path), None)
    output.write(access(0))
    with open("/dev/full", "wb", buffering=0) as full:
        file, output._writer._file = output._writer._file, full.fileno()  # type: ignore[attr-defined]
        for number in range(1, 5):
            output.write(access(number))
        output._writer._file = file  # type: ignore[attr-defined]
    output.close()
    assert output.failed
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"pagetrap: {path}: cannot write the trace any further: No space left on device: it ends after 1 "
    )
    assert [read.sequence for read in open_trace(path)] == [0]


def test_a_file_that_cannot_be_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trouble at the very end is told as well."""
    output = Output(str(tmp_path / "run.jsonl"), None)

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    output._writer.close = fail  # type: ignore[method-assign]
    output.close()
    assert output.failed
    assert "Input/output error" in capsys.readouterr().err
