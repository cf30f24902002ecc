"""Configuration space."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, Trace
from mmio.pci import Bar, Msi, PcieEndpoint, PciFunction, PowerManagement


def _function(**arguments: Any) -> PciFunction:
    return PciFunction(0x8086, 0x100E, 0x020001, **arguments)


def test_header() -> None:
    """The numbers of a function are where every driver looks for them."""
    config = _function(revision=3, subsystem=(0x1AF4, 0x1100), interrupt_pin=2, multifunction=True).config
    assert config.read(0x00, 4) == 0x100E8086
    assert config.read(0x08, 4) == 0x02000103
    assert config.read(0x0C, 4) == 0x00800000
    assert config.read(0x2C, 4) == 0x11001AF4
    assert config.read(0x3D, 1) == 2
    assert config.read(0x06, 2) == 0


@pytest.mark.parametrize(
    ("offset", "writable"), [(0x00, 0), (0x04, 0x0557), (0x08, 0), (0x0C, 0xFFFF), (0x2C, 0), (0x34, 0), (0x3C, 0xFF)]
)
def test_write_masks(offset: int, writable: int) -> None:
    """Software changes the bits that are its own, and no others."""
    config = _function().config
    before = config.read(offset, 4)
    config.write(offset, 4, 0xFFFFFFFF)
    assert config.read(offset, 4) & ~(0xFFFF0000 if offset == 4 else 0) == before | writable


def test_status_is_cleared_by_ones() -> None:
    """Errors in STATUS stay until software writes a one there."""
    config = _function().config
    config.status.value = 0xF900
    config.write(6, 2, 0x0800)
    assert config.status.value == 0xF100
    config.write(6, 2, 0xFFFF)
    assert config.status.value == 0


@given(st.integers(0, 0xFFF), st.sampled_from([1, 2, 4, 8]), st.integers(0, (1 << 64) - 1))
def test_every_byte_answers(offset: int, width: int, value: int) -> None:
    """An access of any width reads where nothing is as zero; a wide one is what the bytes of it are."""
    capabilities = [PcieEndpoint(), Msi(maskable=True), PowerManagement()]
    one, other = (_function(bars=[Bar(0, size=64)], capabilities=capabilities).config for _ in range(2))
    value &= (1 << 8 * width) - 1
    one.write(offset, width, value)
    for byte in range(width):
        other.write(offset + byte, 1, value >> 8 * byte & 0xFF)
    assert one.holes(offset, width) == 0
    assert one.snapshot() == other.snapshot()
    assert one.read(offset, width) == sum(one.read(offset + byte, 1) << 8 * byte for byte in range(width))


def test_recorded_with_names() -> None:
    """An access to configuration space is recorded with register and fields."""
    trace = Trace()
    space = AddressSpace(trace)
    function = _function(capabilities=[Msi()], name="Nic")
    space.map(0x1000, 0x100, function.config, "config")
    space.initiator().write(0x1004, 2, 0x0406)
    access = trace[0]
    assert access.register == "COMMAND"
    assert function.config.describe(4, 2, 0x0406).startswith("IO=0 MEMORY=1 MASTER=1")
    assert function.config.name_at(0x42, 2) == "MSI.CONTROL"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"vendor": 0x10000}, "vendor_id is an int, 0..0xffff, not 65536"),
        ({"vendor": "intel"}, "vendor_id is an int, not 'intel'"),
        ({"class_code": 1 << 24}, "class_code is an int"),
        ({"revision": 256}, "revision_id"),
        ({"interrupt_pin": 5}, "interrupt_pin is an int, 0..0x4, not 5"),
        ({"subsystem": 5}, r"subsystem is \(vendor, number\), not 5"),
        ({"bars": [Bar]}, r"bars are made as Bar\(0, device, size=0x1000\), not"),
    ],
)
def test_mistakes(arguments: dict[str, Any], problem: str) -> None:
    """A number that does not fit is named."""
    with pytest.raises((TypeError, ValueError), match=problem):
        PciFunction(**{"vendor": 1, "device": 2, "class_code": 3} | arguments)
