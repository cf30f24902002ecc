"""The guest of examples/kvm: in the emulator everywhere, under KVM where there is one.

KVM is the one need that may be missing even where nothing may be skipped (PAGETRAP_NO_SKIP=1): it is a property of the
machine, mostly of the virtual machine that CI itself runs in, and no package brings it. So the test of it skips by
itself, with the reason, and not by `need`.
"""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmio import Access
from mmio.linux import listing
from tests.examples.command import EXAMPLES, environment
from tests.mmio.linux.test_listing import assert_says_its_bytes

KVM = EXAMPLES / "kvm"
R, W = "R", "W"

EXPECTED = [
    (R, "memory", 0xFE000001, 1, 0x01),
    (W, "memory", 0xFE000002, 2, 0x0001),
    (R, "memory", 0xFE000004, 4, 0x07060504),
    (W, "memory", 0xFE000008, 4, 0x07060504),
    (R, "memory", 0xFE000010, 8, 0x1716151413121110),
    (W, "memory", 0xFE000018, 8, 0x1716151413121110),
    (R, "memory", 0xFE000004, 4, 0x07060504),
    (W, "memory", 0xFE000020, 4, 8),
    (W, "port", 0x3FB, 1, 3),
    *((W, "port", 0x3F8, 1, character) for character in b"Hello from a guest\n"),
    (R, "port", 0x3FD, 1, 0x60),
]

BEYOND_KVM = ["movq xmm0,[edi+10h]", "movq [edi+18h],xmm0", "popcnt ecx,[edi+4]"]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of the example, as its own script does."""
    monkeypatch.syspath_prepend(str(KVM))
    return importlib.import_module


def seen(access: Access) -> tuple[str, str, int, int, int]:
    """Return what everything that executes the guest must agree on."""
    return ("R" if access.reads else "W"), access.space, access.address, access.width, access.value


def need_kvm() -> None:
    """Skip without KVM, also in CI: see the top of this module."""
    try:
        Path("/dev/kvm").open("r+b").close()
    except OSError as error:
        pytest.skip(f"needs a machine with KVM that may be used: {error}")


def test_the_listing_says_what_its_bytes_do(example: Any) -> None:
    """The text beside each instruction is what the bytes decode to."""
    guest = example("guest")
    assert_says_its_bytes(*listing.read(guest.LISTING), bits=32, start=guest.START)


def test_the_emulator_runs_the_guest(example: Any) -> None:
    """Every access of the guest has its exact width and value, and its instruction."""
    machine = example("guest").Machine()
    example("kvm_demo").run_emulated(machine)
    assert [seen(access) for access in machine.trace] == EXPECTED
    assert machine.uart.sent == b"Hello from a guest\n"
    assert [str(access.instruction) for access in machine.trace[4:7]] == BEYOND_KVM


def test_kvm_runs_the_guest(example: Any) -> None:
    """The trace is the same when KVM executes the guest, and the emulator completes what KVM cannot."""
    need_kvm()
    machine = example("guest").Machine()
    completed = example("kvm_demo").run_on_kvm(machine)
    assert [seen(access) for access in machine.trace] == EXPECTED
    assert machine.uart.sent == b"Hello from a guest\n"
    # Another kernel may do some of them by itself, and not have them done by us.
    assert [str(instruction) for instruction in completed] in (BEYOND_KVM, BEYOND_KVM[2:], [])


def test_an_access_kvm_tells_is_answered_by_a_model(example: Any) -> None:
    """What stands in struct kvm_run becomes one access of that width; INS and OUTS have several, in order."""
    demo, machine = example("kvm_demo"), example("guest").Machine()
    run = bytearray(0x100)
    run[32:53] = (0xFE000010).to_bytes(8, "little") + bytes(8) + (2).to_bytes(4, "little") + b"\0"
    demo.answer_memory(machine.space, run)
    assert run[40:48] == bytes([0x10, 0x11, 0, 0, 0, 0, 0, 0])
    run[32:53] = (0xFE000012).to_bytes(8, "little") + b"\xaa\xbb\xcc\xdd----" + (4).to_bytes(4, "little") + b"\1"
    demo.answer_memory(machine.space, run)
    # direction, size, port, count, offset of the data
    run[32:48] = bytes([0, 1, 0xFD, 0x03]) + (2).to_bytes(4, "little") + (0x80).to_bytes(8, "little")
    demo.answer_port(machine.space, run)
    assert run[0x80:0x82] == b"\x60\x60"
    assert [seen(access) for access in machine.trace] == [
        (R, "memory", 0xFE000010, 2, 0x1110),
        (W, "memory", 0xFE000012, 4, 0xDDCCBBAA),
        (R, "port", 0x3FD, 1, 0x60),
        (R, "port", 0x3FD, 1, 0x60),
    ]


def test_the_demo_runs() -> None:
    """Without KVM, as a user starts it."""
    command = [sys.executable, str(KVM / "kvm_demo.py"), "--emulate"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "popcnt ecx,[edi+4]" in done.stdout
    assert done.stdout.endswith("Hello from a guest\n")
