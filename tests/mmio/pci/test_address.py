"""Addresses of functions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.pci.address import PciAddress, pci_address

addresses = st.builds(PciAddress, st.integers(0, 0xFFFF), st.integers(0, 0xFF), st.integers(0, 31), st.integers(0, 7))


@given(addresses)
def test_text_and_back(address: PciAddress) -> None:
    """An address is what its text says."""
    assert pci_address(str(address)) == address == pci_address(address)


@pytest.mark.parametrize("text", ["0000:00:03.0", "00:03.0", "0:3.0", "03.0", "3.0"])
def test_short_forms(text: str) -> None:
    """Domain and bus are 0 when left out, as for lspci."""
    assert pci_address(text) == PciAddress(0, 0, 3, 0)
    assert pci_address(text).place == 0x18


@given(st.text(alphabet="0123456789abf:.", max_size=14))
def test_any_text(text: str) -> None:
    """A text is an address or an error that shows the form."""
    try:
        address = pci_address(text)
    except ValueError as error:
        assert "such as 00:03.0, not" in str(error)  # noqa: PT017
    else:
        assert address.device < 32
        assert address.function < 8


@pytest.mark.parametrize("text", ["", "3", "20.0", "3.8", "0:0:0:3.0", "3.0 ", "g.0", None, 3])
def test_mistakes(text: Any) -> None:
    """What is no address is refused."""
    with pytest.raises((TypeError, ValueError), match=r"a PCI address is \[\[DOMAIN:\]BUS:\]DEVICE\.FUNCTION"):
        pci_address(text)
