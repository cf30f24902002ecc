"""The two serial lines, with a guest that the test plays."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Condition, Event, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.guests.console import Console
from mmio.guests.control import Completed, Control
from mmio.guests.drivers import Drivers
from mmio.guests.errors import GuestError
from mmio.guests.kernels import Kernel
from mmio.guests.machine import Settings, Wiring, command_line
from mmio.guests.qemu import Qemu


class Played:
    """A control line, and the guest's end of it."""

    def __init__(self, folder: Path) -> None:
        self.over = ""
        self.control = Control(folder / "control", Condition(), lambda: self.over)
        self.guest = socket.socket(socket.AF_UNIX)
        self.guest.connect(str(folder / "control"))
        self.file = self.guest.makefile("rb")

    def answers(self, output: bytes, status: int = 0, *, pieces: int = 1 << 20) -> Thread:
        """Answer the next command, in pieces of so many bytes."""

        def answer() -> None:
            _, mark, text = self.file.readline().split()
            self.command = base64.b64decode(text)
            whole = output + b"\n%s %d\n" % (mark, status)
            for at in range(0, len(whole), pieces):
                self.guest.sendall(whole[at : at + pieces])

        thread = Thread(target=answer)
        thread.start()
        return thread

    def close(self) -> None:
        self.control.close()
        self.file.close()
        self.guest.close()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    played = Played(tmp_path)
    yield played
    played.close()


def test_a_command(played: Played) -> None:
    """The command goes over as it is, output and status come back."""
    thread = played.answers(b"one\ntwo", 3)
    done = played.control.run("echo 'a\nb'", 20)
    thread.join()
    assert (done.command, done.status, done.output, str(done)) == ("echo 'a\nb'", 3, b"one\ntwo", "one\ntwo")
    assert played.command == b"echo 'a\nb'"


@given(st.binary(max_size=300), st.integers(1, 40))
@settings(max_examples=25)
def test_output_of_any_bytes(output: bytes, pieces: int) -> None:
    """Output is any bytes, in any pieces, and is passed on whole and in order while it comes."""
    with TemporaryDirectory() as folder:
        played = Played(Path(folder))
        try:
            thread = played.answers(output, 0, pieces=pieces)
            passed: list[bytes] = []
            done = played.control.run("x", 20, passed.append)
            thread.join()
            assert done.output == output == b"".join(passed)
        finally:
            played.close()


@pytest.mark.parametrize("there", [2, 9, 20])
def test_a_mark_in_two_parts(played: Played, there: int) -> None:
    """The first part of the mark is no output, even if output before it has been passed on by then."""
    passed: list[bytes] = []
    begun = Event()

    def take(part: bytes) -> None:
        passed.append(part)
        begun.set()

    def answer() -> None:
        _, mark, _ = played.file.readline().split()
        end = b"\n%s 0\n" % mark
        played.guest.sendall(bytes(200) + end[:there])
        begun.wait(20)
        played.guest.sendall(end[there:])

    thread = Thread(target=answer)
    thread.start()
    assert played.control.run("x", 20, take).output == bytes(200) == b"".join(passed)
    thread.join()


def test_a_guest_that_ends(played: Played) -> None:
    """What was printed before is passed on, and the error says how it ended."""
    played.guest.sendall(b"half a line")
    played.guest.shutdown(socket.SHUT_RDWR)
    played.control.wait_for_end()
    played.over = "the guest's QEMU was killed by signal 9"
    passed: list[bytes] = []
    with pytest.raises(GuestError, match="killed by signal 9"):
        played.control.run("x", 20, passed.append)
    assert b"".join(passed) == b"half a line"


def test_a_guest_that_is_silent(played: Played) -> None:
    """Waiting has an end."""
    with pytest.raises(GuestError, match=r"did not start within 0\.01 s"):
        played.control.wait_until_ready(0.01)


def test_ready(played: Played) -> None:
    """The guest says when it takes commands; what it has said before does not matter."""
    played.guest.sendall(b"\0\xffnoise ready\n")
    played.control.wait_until_ready(20)
    played.control.turn_off()
    assert played.file.readline() == b"off\n"


def test_console(tmp_path: Path) -> None:
    """The console is told by the line, also the last one without an end, and kept."""
    lines: list[str] = []
    console = Console(tmp_path / "console", lines.append)
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(tmp_path / "console"))
        guest.sendall(b"one\r\ntw")
        guest.sendall(b"o\r\n\xff\n\nlast")
    console._port._thread.join()
    console.close()
    assert lines == ["one", "two", "\N{REPLACEMENT CHARACTER}", "", "last"]
    assert console.last(2) == ["\N{REPLACEMENT CHARACTER}", "last"]


def test_lines_that_nothing_connects_to(tmp_path: Path) -> None:
    """A line can be closed before QEMU comes."""
    Console(tmp_path / "console", print).close()


def wired(**options: Any) -> list[str]:
    wiring = Wiring(Path("/run/x"), [Path("/run/x/card0")], Path("/run/x/initrd"), options.pop("plugin", ""))
    return command_line(Qemu(("qemu",), "11.1"), Path("/boot/vmlinuz"), Settings(**options), wiring)


def test_command_line() -> None:
    """One CPU runs at a time, writes wait for the device, and the guest's memory can be mapped."""
    command = wired(plugin="p.so,shm=/run/x/running", cpus=2)
    assert "tcg,thread=single" in command
    assert '"x-no-posted-writes": true' in command[command.index("-device") + 1]
    assert "share=on" in command[command.index("-object") + 1]
    assert command[command.index("-plugin") + 1] == "p.so,shm=/run/x/running"
    assert "nokaslr" in command[command.index("-append") + 1]
    assert "-gdb" not in command


def test_command_line_of_others() -> None:
    """KVM, a debugger, and whatever else is wanted."""
    command = wired(kvm=True, gdb=1234, arguments=["-snapshot"], kernel_arguments=["debug", "a=b"])
    assert command[command.index("-accel") + 1] == "kvm"
    assert "-plugin" not in command
    assert command[command.index("-gdb") + 1] == "tcp:127.0.0.1:1234"
    assert command[-1] == "-snapshot"
    assert command[command.index("-append") + 1].endswith(" debug a=b")


def a_kernel(folder: Path) -> Kernel:
    for name, depends in (("watchdog", ""), ("i6300esb", "watchdog"), ("e1000", "")):
        (folder / f"{name}.ko").write_bytes(b"\0depends=" + depends.encode() + b"\0")
    return Kernel(folder / "vmlinuz", folder)


def test_drivers(tmp_path: Path) -> None:
    """Modules are loaded in order with their parameters, while the kernel matches none with a device."""
    own = tmp_path / "own-driver.ko"
    own.write_bytes(b"\0depends=watchdog\0")
    drivers = Drivers(a_kernel(tmp_path), ["e1000 debug=16 copybreak=0", "i6300esb", str(own), "e1000"])
    assert drivers.packed == ["e1000", "watchdog", "i6300esb"]
    assert drivers.files == {"lib/modules/own_driver.ko": own.read_bytes()}
    done: list[str] = []

    def run(command: str) -> Any:
        done.append(command)
        return Completed(command, 0, b".text 0xffffffffc0000000\n")

    sections = drivers.load(run)
    assert sections == {name: {".text": 0xFFFFFFFFC0000000} for name in drivers.names}
    drivers.match(run)
    assert [command for command in done if command.startswith("insmod")] == [
        "insmod /lib/modules/e1000.ko debug=16 copybreak=0",
        "insmod /lib/modules/watchdog.ko",
        "insmod /lib/modules/i6300esb.ko",
        "insmod /lib/modules/own_driver.ko",
    ]
    assert "echo 0 >/sys/bus/pci/drivers_autoprobe" in done[0]
    assert "echo 1 >/sys/bus/pci/drivers_autoprobe" in done[-1]


@pytest.mark.parametrize("module", ["", "e1000; reboot", "e1000 a=$(x)", "a`b`", "e1000 a='b'"])
def test_names_that_are_none(module: str, tmp_path: Path) -> None:
    """What would mean something to the guest's shell is refused."""
    with pytest.raises(ValueError, match="modules are names with parameters, such as 'e1000 debug=16'"):
        Drivers(a_kernel(tmp_path), [module])


def test_modules_as_a_text(tmp_path: Path) -> None:
    """A single text is a mistake: each of its letters would be a module."""
    with pytest.raises(TypeError, match="modules is a list of names"):
        Drivers(a_kernel(tmp_path), "e1000")


def test_a_module_that_cannot_be_loaded(tmp_path: Path) -> None:
    """The error has what insmod says."""
    drivers = Drivers(a_kernel(tmp_path), ["e1000"])
    with pytest.raises(GuestError, match=r"insmod /lib/modules/e1000.ko: insmod: can't insert"):
        drivers.load(lambda command: Completed(command, 1, b"insmod: can't insert 'e1000.ko'\n"))
