"""Interrupts of a function at /dev/uioN: counted, masked by INTX_OFF, and messages beside."""

from collections.abc import Iterator

import pytest

from mmio.pci import Msi, PciFunction
from mmio.pci.uio import PciUio, UioNode


@pytest.fixture
def function() -> PciFunction:
    """A function with a pin and MSI."""
    return PciFunction(1, 2, 3, capabilities=[Msi()])


@pytest.fixture
def uio(function: PciFunction) -> Iterator[PciUio]:
    """Its interrupt."""
    made = UioNode(function).interrupt()
    yield made
    made.close()


def test_the_pin_counts_once_and_masks_itself(function: PciFunction, uio: PciUio) -> None:
    """The interrupt sets INTX_OFF, as pci_check_and_mask_intx does; while that is set there is no other one."""
    told: list[int] = []
    uio.told.append(lambda: told.append(uio.count))
    function.interrupt()
    function.interrupt()
    assert (uio.count, told, function.config.command.INTX_OFF, function.intx.level) == (1, [1], 1, False)


def test_a_pin_that_is_still_asserted_interrupts_again(function: PciFunction, uio: PciUio) -> None:
    """Clearing INTX_OFF allows the next interrupt, which comes at once where the device has not been quietened."""
    function.interrupt()
    function.config.write(4, 2, 0)
    assert uio.count == 2
    function.interrupts.release()
    function.config.write(4, 2, 0)
    assert uio.count == 2


def test_a_pin_that_was_asserted_before_interrupts(function: PciFunction) -> None:
    """An open finds the interrupt that is there already."""
    function.interrupt()
    uio = PciUio(function)
    assert uio.count == 1
    uio.close()


def test_irqcontrol_is_intx_off(function: PciFunction, uio: PciUio) -> None:
    """Written 0 masks and 1 unmasks the pin."""
    uio.control(0)
    function.interrupt()
    assert (uio.count, function.config.command.INTX_OFF) == (0, 1)
    uio.control(1)
    assert uio.count == 1


def test_messages_count(function: PciFunction, uio: PciUio) -> None:
    """A message that is sent is an interrupt; one of a function that is no bus master is none."""
    function.config["MSI.CONTROL"].ENABLE = 1
    function.interrupt()
    assert (uio.count, len(function.interrupts.lost)) == (0, 1)
    function.config.command.MASTER = 1
    function.interrupt()
    function.interrupt()
    assert uio.count == 2


def test_closing_ends_it(function: PciFunction) -> None:
    """After it, neither the pin nor a message counts; closing twice is closing once."""
    uio = PciUio(function)
    uio.close()
    uio.close()
    function.interrupt()
    assert (uio.count, function.config.command.INTX_OFF) == (0, 0)


def test_the_file_has_nothing_in_it(function: PciFunction) -> None:
    """It reads as zeros, takes writes, and has no maps."""
    node = UioNode(function)
    node.write(0, 4, 5)
    assert (node.read(0, 4), node.interrupt().has_maps) == (0, False)


def test_a_function_without_interrupts() -> None:
    """What has neither a pin nor messages cannot signal, and gets no /dev/uioN."""
    assert not PciFunction(1, 2, 3, interrupt_pin=0).interrupts.can_signal
    assert PciFunction(1, 2, 3, interrupt_pin=0, capabilities=[Msi()]).interrupts.can_signal
