"""The driver's first words with the card: what they must be, and what they were when they were right.

    pytest examples/nic

Expectations say what the datasheet demands, and no more. The golden trace in `golden/` is all that the driver did; a
change of the driver shows in it, and is looked at before it is written anew with --mmio-golden-update.
"""

from ctypes import CDLL

import pytest
from card import Card
from driver import Driver, build, load

from mmio import assert_accesses
from mmio.golden_files import Golden
from mmio.testing import Traps

DMA = ["TX_BASE", "RX_BASE"]  # addresses of the driver's memory, another in each run


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    """Compile the driver."""
    return load(build(tmp_path_factory.mktemp("nic")))


def test_probe_is_as_it_was(mmio_trap: Traps, golden: Golden, library: CDLL) -> None:
    """Reset, read the EEPROM, set up the rings: all of it, whatever the number of polls."""
    mapping = mmio_trap(Card(), length=0x2000, name="nic")
    Driver(library, mapping)
    golden(mapping.trace, volatile=DMA)


def test_the_link_comes_up_as_the_datasheet_says(mmio_trap: Traps, library: CDLL) -> None:
    """UP, wait for the link, take its interrupt and no other, then let interrupts and frames through."""
    mapping = mmio_trap(Card(), length=0x2000, name="nic")
    driver = Driver(library, mapping)
    probed = len(mapping.trace)
    driver.up()
    assert_accesses(
        mapping.trace[probed:],
        [
            "never W CTRL.RESET=1",
            "never W INTR.RX=1",  # writing 1 clears: a frame that came before would be lost
            "R4 CTRL; W4 CTRL.UP=1",
            "R4 STATUS.LINK=0 *",
            "R4 STATUS.LINK=1",
            "W4 INTR.LINK=1",
            "W4 INTR_MASK=0x7",
            "R4 CTRL; W4 CTRL=0xe",
            "…",
        ],
    )
