"""Files that are there as a whole or not at all."""

import os
from pathlib import Path

import pytest

from mmio import TraceFileError, writer
from mmio.formats.whole import replaced


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    """Until the statement ends the old file is there, afterwards the new one, and nothing beside it."""
    file = tmp_path / "file"
    file.write_text("old")
    with replaced(file) as unfinished:
        Path(unfinished).write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """An exception goes on, and what it leaves behind is the old file alone."""
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(IsADirectoryError), replaced(file):
        tmp_path.write_text("half")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    """The file that a symbolic link leads to is replaced, not the link."""
    (tmp_path / "link").symlink_to("file")
    with replaced(tmp_path / "link") as unfinished:
        Path(unfinished).write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_missing_folder_is_named_as_given(tmp_path: Path) -> None:
    """The error has the name that was given, not that of a file beside it."""
    with pytest.raises(FileNotFoundError) as caught, replaced(tmp_path / "none" / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "file")


def test_a_trace_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    """A file that a writer has open is not replaced under its hands."""
    file = tmp_path / "run.jsonl"
    with writer(file), pytest.raises(TraceFileError, match="another writer"), replaced(file):
        pass
