"""Real ports as a device, on a machine that is pretended: see `granting.py`."""

import errno
import os

import pytest

from decode import READ, WRITE, decode
from mmio.linux import io_ports, listing
from mmio.linux.io_ports import LISTING, RealPorts, reaching
from tests.mmio.ptrace.granting import Granting
from tests.mmio.ptrace.models import Broken, Recording, pattern


def test_each_function_executes_its_in_or_out() -> None:
    """The code of "read 2" has an IN of two bytes, and so on for each direction and width."""
    labels, lines = listing.read(LISTING)
    assert list(labels) == [f"{verb} {width}" for verb in ("read", "write") for width in (1, 2, 4)]
    for label, start in labels.items():
        touching = [line for line in lines if line.offset >= start and line.text.split()[0] in ("in", "out")]
        access = decode(touching[0].code).accesses[0]
        assert (access.direction, access.operand.width) == (
            READ if label.startswith("read") else WRITE,
            int(label.split()[1]),
        )


@pytest.mark.parametrize("width", [1, 2, 4])
def test_an_access_is_one_instruction_of_its_width(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """IN and OUT reach the machine with port, width and the whole value, the highest bit too."""
    kernel, card = Granting(monkeypatch), Recording()
    value = 0xF1E2D3C4 & (1 << 8 * width) - 1
    with kernel.machine(card) as machine:
        assert RealPorts().read(0x304, width) == pattern(4, width)
        RealPorts().write(0x308, width, value)
    assert card.written == [(8, width, value)]
    assert [(a.space, a.direction, a.address, a.width) for a in machine.trace] == [
        ("port", READ, 0x304, width),
        ("port", WRITE, 0x308, width),
    ]


def test_the_right_to_ports_is_had_for_an_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for the ports touched, and given back, also when the access fails."""
    kernel, card = Granting(monkeypatch), Broken()
    card.accesses = 1
    with kernel.machine(card):
        RealPorts().read(0x304, 2)
        with pytest.raises(RuntimeError, match="out of order"):
            RealPorts().read(0x306, 1)
    assert kernel.own == [(0x304, 2, True), (0x304, 2, False), (0x306, 1, True), (0x306, 1, False)]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EPERM, "that takes root with the capability SYS_RAWIO, and a kernel that is not locked down"),
        (errno.ENOSYS, "this kernel lets no program do that, it was built without CONFIG_X86_IOPL_IOPERM"),
        (errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch, number: int, says: str) -> None:
    """The error keeps its number, names the ports, and what answers without the right to them."""

    def refuse(port: int, count: int, allowed: bool) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(io_ports, "permit", refuse)
    with (
        pytest.raises(OSError, match=r"IO ports 0x70\.\.0x72 of this machine") as caught,
        reaching(0x70, 2),
    ):
        pass
    assert caught.value.errno == number
    assert says in str(caught.value)
    assert "pagetrap run --device FILE.py:CLASS@ports:0x70+2" in str(caught.value)


def test_this_kernel_grants_or_refuses() -> None:
    """Asked for real, it lets us have ports, or the error is one we can explain."""
    refusal = None
    try:
        with reaching(0x80, 1):
            pass
    except OSError as error:
        refusal = error
    assert refusal is None or refusal.errno in (errno.EPERM, errno.ENOSYS)
