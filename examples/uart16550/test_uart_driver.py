"""The driver's words with the port: what they must be, and what they were when they were right.

pytest examples/uart16550
"""

from ctypes import CDLL

import pytest
from serial_driver import Driver, build, load
from uart import Uart

from mmio import Interrupt, assert_accesses
from mmio.golden_files import Golden
from mmio.testing import Traps


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    """Compile the driver."""
    return load(build(tmp_path_factory.mktemp("uart")))


def test_opening_is_as_it_was(mmio_trap: Traps, golden: Golden, library: CDLL) -> None:
    """Find the port, set it up, test it in a loop. Data count, byte for byte; only the line status is polled."""
    mapping = mmio_trap(Uart(), name="uart")
    Driver(library, base=mapping).open(115200)
    golden(mapping.trace, fold=["LSR"])


def test_opening_clears_the_fifos_and_hides_the_divisor(mmio_trap: Traps, library: CDLL) -> None:
    """The divisor is set behind DLAB, the FIFOs are cleared, interrupts come last."""
    mapping = mmio_trap(Uart(), name="uart")
    Driver(library, base=mapping).open(115200)
    assert_accesses(
        mapping.trace,
        [
            "…",
            "W1 LCR.DLAB=1",
            "any order {W1 DLL=1; W1 DLM=0}",
            "W1 LCR.DLAB=0",
            "W1 FCR=0x6/0x6",  # both resets
            "…",
            "W1 IER.RDA=1",
        ],
    )


def test_a_byte_leaves_only_when_there_is_room(mmio_trap: Traps, library: CDLL) -> None:
    """The handler asks for its cause before it fills the FIFO, and never writes to the receiver's side of it."""
    uart = Uart()
    mapping = mmio_trap(uart, name="uart")
    driver = Driver(library, base=mapping)
    driver.open(115200)
    opened = len(mapping.trace)
    _interrupt = Interrupt(uart.irq, driver.irq)
    driver.write(b"hi")
    assert_accesses(
        mapping.trace[opened:],
        ["never W FCR", "R1 IIR=0xc2", "W1 THR=0x68", "W1 THR=0x69", "…"],
    )
