"""Executables as execve reads them."""

import errno
import os
import shutil
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.hosted import elf_image
from mmio.hosted.errors import HostError
from mmio.hosted.program_area import AREA, Area
from tests.mmio.ptrace.programs import program


def _script(directory: Path, line: str) -> str:
    path = directory / "script"
    path.write_text(line + "\n")
    path.chmod(0o755)
    return str(path)


def test_a_dynamic_executable() -> None:
    """Its segments, its entry and its dynamic linker are found."""
    found = elf_image.read(program("int main() { return 0; }"))
    assert found.interpreter is not None
    assert "ld-linux" in found.interpreter
    assert any(start.address <= found.entry < start.address + start.memory_size for start in found.segments)


def test_a_static_executable() -> None:
    """It has no dynamic linker."""
    assert elf_image.read(program("int main() { return 0; }", "-static")).interpreter is None


def test_scripts_are_their_interpreters(tmp_path: Path) -> None:
    """The interpreter of a script gets its one argument, the script's path, and what the script was given."""
    shell = os.path.realpath("/bin/sh")
    path = _script(tmp_path, f"#! {shell} -e x")
    found = elf_image.command(path, [b"name", b"one", b"two"])
    assert (found.image.path, found.name) == (shell, path)
    assert found.arguments == [os.fsencode(shell), b"-e x", os.fsencode(path), b"one", b"two"]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("no program", errno.ENOEXEC),
        ("#!", errno.ENOEXEC),
        ("#!/no/such/interpreter", errno.ENOENT),
        ("#!/", errno.EACCES),
        ("\x7fELF", errno.ENOEXEC),
    ],
)
def test_what_cannot_be_executed(tmp_path: Path, line: str, number: int) -> None:
    """The error is the one of execve."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  # which one is the subject
        elf_image.command(_script(tmp_path, line), [b"name"])
    assert caught.value.errno == number


def test_a_file_that_may_not_be_executed(tmp_path: Path) -> None:
    """Without the permission it is EACCES, whatever is in the file."""
    path = tmp_path / "copy"
    shutil.copyfile(program("int main() { return 0; }"), path)
    with pytest.raises(PermissionError):
        elf_image.command(str(path), [b"name"])


def test_a_32_bit_program_is_sent_to_the_other_engine(tmp_path: Path) -> None:
    """It is refused by name, with what to do."""
    path = tmp_path / "narrow"
    path.write_bytes(b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HH", 2, 3) + bytes(64))
    path.chmod(0o755)
    with pytest.raises(HostError, match=r"narrow is a 32-bit program.*use --engine=ptrace"):
        elf_image.command(str(path), [b"name"])


@given(st.data())
def test_a_damaged_program(data: st.DataObject) -> None:
    """A program that is cut off or has other bytes in its headers is refused, or can be mapped from its file."""
    whole = Path(program("int main() { return 0; }")).read_bytes()
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)), "length")])
    changes = st.tuples(st.integers(4, 800), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    for place, byte in data.draw(st.lists(changes, max_size=3), "changes"):
        content[place : place + 1] = bytes([byte])[: len(content) - place]
    with TemporaryDirectory() as directory:
        path = Path(directory, "damaged")
        path.write_bytes(content)
        try:
            found = elf_image.read(str(path))
        except (HostError, OSError):
            return
    for segment in found.segments:
        if segment.kind == 1:
            assert segment.offset + segment.file_size <= len(content)
            assert segment.file_size <= segment.memory_size
            assert segment.address % 4096 == segment.offset % 4096


def test_a_program_that_is_cut_off_is_said_to_be(tmp_path: Path) -> None:
    """Mapped, it would be SIGBUS in this process."""
    path = tmp_path / "cut"
    path.write_bytes(Path(program("int main() { return 0; }")).read_bytes()[:3000])
    path.chmod(0o755)
    with pytest.raises(HostError, match=r"cut has been cut off: its segments end at byte \d+, and it has 3000"):
        elf_image.command(str(path), [b"name"])


def test_a_program_among_the_pages_of_python_is_refused(tmp_path: Path) -> None:
    """Where Python lies below 4 GiB, calls of a program there would pass for Python's: it is not loaded."""
    path = tmp_path / "low"
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x30000078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    path.write_bytes(header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x30000000, 0x30000000, 121, 121, 0x1000) + b"\xf4")
    path.chmod(0o700)
    area = Area()
    area.places = (AREA,)  # as with Debian's Python
    with pytest.raises(HostError, match="low must lie at 0x30000000, below 4 GiB, where this Python lies, too: use"):
        elf_image.load(elf_image.read(str(path)), area)
