"""What is read apart is what is read otherwise, and the process's table of descriptors does not change meanwhile."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, suppress
from glob import glob
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.linux import own_descriptors, own_table


@pytest.fixture(params=["apart", "here"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Read with and without reserved numbers."""
    if request.param == "here":
        while own_descriptors.first_reserved() is not None:  # another test in this process has left them
            own_descriptors.release()
        yield "here"
        return
    own_descriptors.reserve()
    yield "apart"
    own_descriptors.release()


@pytest.mark.parametrize("size", [0, 1, 4095, (1 << 16) - 512, (1 << 16) - 511, 1 << 16, (1 << 18) + 5])
def test_a_file_is_read_as_open_reads_it(tmp_path: Path, size: int) -> None:
    """Whole, and any part of it, also from a directory that is given."""
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    assert own_table.read(str(path)) == data
    assert own_table.read(str(path), 3, 10) == data[3:13]
    assert own_table.read(str(path), size, 10) == b""
    directory = os.open(tmp_path, os.O_PATH)
    try:
        assert own_table.read("file", directory=directory) == data
    finally:
        os.close(directory)


@pytest.mark.parametrize("many", [0, 3, 1500])
def test_names_are_those_of_the_directory(tmp_path: Path, many: int) -> None:
    """However many, and however long they are."""
    for number in range(many):
        (tmp_path / f"{number:0{number % 250 + 1}}").touch()
    directory = os.open(tmp_path, os.O_PATH)
    try:
        assert sorted(own_table.names(".", directory)) == sorted(os.listdir(tmp_path))
        assert sorted(own_table.names(str(tmp_path))) == sorted(os.listdir(tmp_path))
    finally:
        os.close(directory)


_NAMES = st.text("ab.*[", min_size=1, max_size=3).filter(lambda name: name.strip("."))
_PATTERNS = st.lists(st.text("ab.*?[]!", max_size=4), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.tuples(_NAMES, _NAMES), max_size=6), _PATTERNS, st.booleans())
def test_paths_are_those_that_glob_finds(tree: list[tuple[str, str]], pattern: str, relative: bool) -> None:
    """Through folders, files in the place of folders, links that lead nowhere and hidden names."""
    with TemporaryDirectory() as root, chdir(root):
        for folder, name in tree:
            with suppress(FileExistsError, NotADirectoryError):
                os.mkdir(folder)
                os.symlink("gone", f"{folder}/{name}")
            with suppress(IsADirectoryError, NotADirectoryError):
                Path(name).touch()
        inside = pattern.lstrip("/") or "*"  # not in the folders of this machine, where others come and go
        whole = inside if relative else os.path.join(root, inside)
        assert sorted(own_table.paths(whole)) == sorted(glob(whole))


def test_what_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    """Of the class that open has for it."""
    with pytest.raises(FileNotFoundError, match="gone"):
        own_table.read(str(tmp_path / "gone"))
    with pytest.raises(IsADirectoryError):
        own_table.read(str(tmp_path))
    with pytest.raises(NotADirectoryError):
        own_table.names("/dev/null")
    with pytest.raises(OSError, match="file descriptor"):
        own_table.read("file", directory=999)
    with pytest.raises(ValueError, match="null byte"):
        own_table.read("a\0b")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """It cannot be read at an offset."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="seek"):
        own_table.read(str(tmp_path / "pipe"), 0, 4)


def test_no_thread_is_left_and_signals_are_not_blocked() -> None:
    """It has gone when the file has been read: some calls ask whether a process has one thread only."""
    blocked, threads = signal.pthread_sigmask(signal.SIG_BLOCK, ()), os.listdir("/proc/self/task")
    for _ in range(300):
        own_table.read("/proc/self/status")
        assert os.listdir("/proc/self/task") == threads
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked


def test_no_number_of_the_process_is_used(way: str) -> None:
    """What opens a file meanwhile always gets the lowest number; not so when files are read here."""
    free = os.dup(0)
    os.close(free)
    others: set[int] = set()
    stop = threading.Event()

    def open_all_the_time() -> None:
        while not stop.is_set():
            number = os.open("/dev/null", os.O_RDONLY)
            others.add(number)
            os.close(number)

    opening = threading.Thread(target=open_all_the_time)
    opening.start()
    end = time.monotonic() + 60
    try:
        for round_number in range(1_000_000):
            own_table.read("/proc/self/maps")
            own_table.names("/proc/self/task")
            if (round_number >= 500 if way == "apart" else others - {free}) or time.monotonic() > end:
                break
    finally:
        stop.set()
        opening.join()
    assert (others == {free}) == (way == "apart")
