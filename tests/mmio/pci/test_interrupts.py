"""Interrupts of a function."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Device, line
from mmio.pci import Bar, Message, Msi, MsiX, PciFunction

CONTROL, ADDRESS, DATA, MASK = 0x42, 0x44, 0x4C, 0x50  # of MSI at 0x40, with 64 bits
ENTRY = 16


class Card(Device):
    """A device with an interrupt."""

    irq = line()


def _msi(vectors: int = 4, **arguments: Any) -> tuple[PciFunction, list[Message]]:
    function = PciFunction(1, 2, 3, capabilities=[Msi(vectors=vectors, **arguments)])
    return _listening(function)


def _msix(vectors: int) -> tuple[PciFunction, list[Message]]:
    function = PciFunction(
        1, 2, 3, bars=[Bar(0, size=0x10000)], capabilities=[MsiX(vectors=vectors, table=(0, 0), pending=(0, 0x8000))]
    )
    return _listening(function)


def _listening(function: PciFunction) -> tuple[PciFunction, list[Message]]:
    function.config.command.value = 6
    sent: list[Message] = []
    function.interrupts.subscribe(sent.append)
    return function, sent


def _enable_msi(function: PciFunction, enabled: int = 2) -> None:
    function.config.write(ADDRESS, 4, 0xFEE01000)
    function.config.write(ADDRESS + 4, 4, 0x1)
    function.config.write(DATA, 2, 0x4120)
    function.config.write(CONTROL, 2, enabled << 4 | 1)


def test_pin() -> None:
    """Without messages an interrupt asserts the pin until the model releases it; STATUS tells."""
    function = PciFunction(1, 2, 3)
    function.interrupt()
    assert (function.intx.level, function.config.status.INTERRUPT) == (True, 1)
    function.interrupts.release()
    assert (function.intx.level, function.config.status.INTERRUPT) == (False, 0)


def test_pin_off() -> None:
    """COMMAND.INTX_OFF keeps the pin low; STATUS tells all the same."""
    function = PciFunction(1, 2, 3)
    function.interrupt()
    function.config.write(4, 2, 0x400)
    assert (function.intx.level, function.config.status.INTERRUPT) == (False, 1)
    function.config.write(4, 2, 0)
    assert function.intx.level


def test_no_pin() -> None:
    """A function without a pin asserts none."""
    function = PciFunction(1, 2, 3, interrupt_pin=0)
    function.interrupt()
    assert not function.intx.level


@pytest.mark.parametrize(
    ("enabled", "vector", "data"), [(0, 0, 0x4120), (0, 3, 0x4120), (2, 3, 0x4123), (1, 2, 0x4120)]
)
def test_msi(enabled: int, vector: int, data: int) -> None:
    """The vector is in the low bits of the data, as many as software has enabled."""
    function, sent = _msi()
    _enable_msi(function, enabled)
    function.interrupt(vector)
    assert [(message.address, message.data) for message in sent] == [(0x1FEE01000, data)]
    assert not function.intx.level


def test_more_enabled_than_there_are() -> None:
    """Software that enables more vectors than asked for gets those that there are."""
    function, sent = _msi(vectors=2)
    _enable_msi(function, 7)
    function.interrupt(1)
    assert sent[0].data == 0x4121


def test_msi_32() -> None:
    """Without 64 bits there is one address register, and the data are behind it."""
    function, sent = _msi(vectors=1, wide=False)
    function.config.write(ADDRESS, 4, 0xFEE00000)
    function.config.write(ADDRESS + 4, 2, 0x33)
    function.config.write(CONTROL, 2, 1)
    function.interrupt()
    assert sent == [Message("msi", 0, 0xFEE00000, 0x33)]


def test_msi_masked() -> None:
    """A masked vector is pending, once, and sent when it is unmasked."""
    function, sent = _msi(maskable=True)
    _enable_msi(function)
    function.config.write(MASK, 4, 0b0100)
    for _ in range(2):
        function.interrupt(2)
    function.interrupt(1)
    assert [message.vector for message in sent] == [1]
    assert function.config.read(MASK + 4, 4) == 0b0100
    function.config.write(MASK, 4, 0)
    assert [message.vector for message in sent] == [1, 2]
    assert function.config.read(MASK + 4, 4) == 0


@given(st.integers(1, 130), st.data())
def test_msix(vectors: int, data: st.DataObject) -> None:
    """Each vector has an address, data and a mask of its own; all are masked at first."""
    function, sent = _msix(vectors)
    vector = data.draw(st.integers(0, vectors - 1))
    function.config["MSIX.CONTROL"].write(0x8000)
    window = function.bar(0)
    window.write(vector * ENTRY, 8, 0x1_FEE0_0000 + 4 * vector)
    window.write(vector * ENTRY + 8, 4, vector)
    function.interrupt(vector)
    assert sent == []
    assert window.read(0x8000 + vector // 64 * 8, 8) == 1 << vector % 64
    window.write(vector * ENTRY + 12, 4, 0)
    assert sent == [Message("msix", vector, 0x1_FEE0_0000 + 4 * vector, vector)]
    assert window.read(0x8000 + vector // 64 * 8, 8) == 0
    function.interrupt(vector)
    assert len(sent) == 2


def test_function_mask() -> None:
    """MSIX.CONTROL.MASKED masks all vectors; what came meanwhile is sent when it is taken away."""
    function, sent = _msix(3)
    function.bar(0).write(ENTRY + 12, 4, 0)
    function.config["MSIX.CONTROL"].write(0xC000)
    function.interrupt(1)
    assert sent == []
    function.config["MSIX.CONTROL"].write(0x8000)
    assert [message.vector for message in sent] == [1]


def test_not_bus_master() -> None:
    """A function that is no bus master writes no message; the lost ones are kept."""
    function, sent = _msi()
    _enable_msi(function)
    function.config.write(4, 2, 0)
    function.interrupt(1)
    assert sent == []
    assert [message.vector for message in function.interrupts.lost] == [1]


def test_follow() -> None:
    """A line of the model is the pin's level, or a message each time that it rises."""
    card = Card()
    function, sent = _msi()
    end = function.interrupts.follow(card.irq, vector=3)
    card.irq.set(True)
    assert (function.intx.level, sent) == (True, [])
    card.irq.set(False)
    assert not function.intx.level
    _enable_msi(function)
    for level in (True, False, True):
        card.irq.set(level)
    assert [message.vector for message in sent] == [3, 3]
    assert not function.intx.level
    end()
    card.irq.set(False)
    card.irq.set(True)
    assert len(sent) == 2


def test_direct() -> None:
    """Where a machine monitor keeps the masks, it is told of every vector."""
    function, sent = _msix(2)
    told: list[tuple[str, int]] = []
    function.interrupts.direct = lambda mode, vector: told.append((mode, vector))
    function.config["MSIX.CONTROL"].write(0x8000)
    function.interrupt(1)
    assert (told, sent) == ([("msix", 1)], [])


def test_vectors() -> None:
    """How many vectors there are is known without enabling them."""
    interrupts = _msix(5)[0].interrupts
    assert [interrupts.vectors(mode) for mode in ("intx", "msi", "msix")] == [1, 0, 5]


@pytest.mark.parametrize("vector", [4, -1, "0", None])
def test_no_such_vector(vector: Any) -> None:
    """A vector that the function has in no mode is refused."""
    function, _ = _msi()
    with pytest.raises((TypeError, ValueError), match="vector is an int"):
        function.interrupt(vector)
    with pytest.raises((TypeError, ValueError), match="vector is an int"):
        function.interrupts.follow(Card().irq, vector)


def test_no_line() -> None:
    """What is no line is not followed, and what is no function does not listen."""
    function, _ = _msi()
    with pytest.raises(TypeError, match="line is a line of a device"):
        function.interrupts.follow(Card())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="handler is a function"):
        function.interrupts.subscribe(5)  # type: ignore[arg-type]
