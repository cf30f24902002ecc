"""A device of which nothing says how long it is answers for a page, and the user is told when that was too short."""

from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, Run, pagetrap
from tests.mmio.ptrace.programs import program

# It reads blocks of as many bytes as it is told, to the end of the file or until it has as many as it is told.
READING = r"""
int main(int argc, char **argv) {
    int fd = open("/dev/nowhere0", O_RDONLY);
    static char block[0x2000];
    long size = strtol(argv[1], 0, 0), most = strtol(argv[2], 0, 0), total = 0, got;
    while (total < most && (got = read(fd, block, size)) > 0)
        total += got;
    printf("%#lx %ld\n", total, (long)read(fd, block, size));
    return 0;
}
"""
MODELS = """
import mmio

class Endless:
    def read(self, offset, width):
        return 0
    def write(self, offset, width, value):
        pass

class Long(Endless):
    length = 0x1800

class Declared(mmio.Device):
    first = mmio.register(0)
    last = mmio.register(0x17fc)
"""
NOTE = (
    "pagetrap: Endless has no length of its own, so file '/dev/nowhere0' ended after 0x1000 bytes; the program "
    "accessed more: give the class a length (`length = 0x10000`) or give it with the path (@PATH:0+0x10000)"
)


def reading(engine: str, directory: Path, where: str, size: int = 0x100, most: int = 1 << 20) -> Run:
    (directory / "lengths.py").write_text(MODELS)
    device = f"lengths.py:{where}"
    return pagetrap(engine, directory, "run", ["-q", "--device", device], [str(program(READING)), str(size), str(most)])


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_length_the_file_ends_after_a_page_and_a_note_says_why(tmp_path: Path, engine: str) -> None:
    """It answers 0x1000 bytes, then comes the end of the file; what to do about it is said once, at the end."""
    run = reading(engine, tmp_path, "Endless@/dev/nowhere0")
    assert (run.status, run.output) == (0, "0x1000 0\n"), run.complaints
    assert run.complaints.splitlines().count(NOTE) == 1


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["Long@/dev/nowhere0", "Declared@/dev/nowhere0", "Endless@/dev/nowhere0:0+0x1800"])
def test_with_a_length_there_is_no_note(tmp_path: Path, engine: str, where: str) -> None:
    """Where the class, its registers or the command line say how long it is, it is that long and nothing is said."""
    run = reading(engine, tmp_path, where)
    assert (run.status, run.output) == (0, "0x1800 0\n"), run.complaints
    assert "no length of its own" not in run.complaints


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_that_wants_no_more_than_a_page_is_told_nothing(tmp_path: Path, engine: str) -> None:
    """A page is enough for it, and the note would be noise."""
    run = reading(engine, tmp_path, "Endless@/dev/nowhere0", size=0x100, most=0xF00)
    assert (run.status, run.output) == (0, "0xf00 256\n"), run.complaints
    assert "no length of its own" not in run.complaints
