"""Capabilities and their list."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.pci import (
    Bar,
    Capability,
    Msi,
    MsiX,
    PcieEndpoint,
    PciFunction,
    PowerManagement,
    SerialNumber,
    VendorSpecific,
)

SINGLE: list[st.SearchStrategy[Any]] = [
    st.builds(PowerManagement, d1=st.booleans(), pme=st.integers(0, 31), no_soft_reset=st.booleans()),
    st.builds(Msi, vectors=st.sampled_from([1, 2, 4, 8, 16, 32]), wide=st.booleans(), maskable=st.booleans()),
    st.builds(MsiX, vectors=st.integers(1, 64)),
    st.builds(PcieEndpoint, flr=st.booleans(), speed=st.integers(1, 3)),
]
VENDOR = st.builds(VendorSpecific, data=st.binary(max_size=48), writable=st.booleans())


@st.composite
def lists(draw: st.DrawFn) -> list[Capability]:
    """Draw capabilities, some of them at places of their own."""
    found = [draw(one) for one in draw(st.lists(st.sampled_from(SINGLE), unique_by=id))]
    found += draw(st.lists(VENDOR, max_size=4))
    return draw(st.permutations(found))


def _function(capabilities: Sequence[Capability]) -> PciFunction:
    return PciFunction(1, 2, 3, bars=[Bar(0, size=0x1000)], capabilities=capabilities)


def _walk(function: PciFunction) -> list[tuple[int, int]]:
    """Return offset and identifier of each capability, as software finds them."""
    config = function.config
    if not config.read(6, 2) & 0x10:
        return []
    found: list[tuple[int, int]] = []
    at = config.read(0x34, 1)
    while at:
        assert at % 4 == 0
        assert 0x40 <= at < 0x100
        assert at not in [place for place, _ in found], "the list goes round"
        found.append((at, config.read(at, 1)))
        at = config.read(at + 1, 1)
    return found


@given(lists(), st.binary(min_size=192, max_size=192))
def test_list_is_well_formed(capabilities: list[Capability], written: bytes) -> None:
    """Software that walks the list finds each capability once, in order, within 256 bytes, whatever it has written."""
    if sum(-(-one.length // 4) * 4 for one in capabilities) > 0xC0:
        with pytest.raises(ValueError, match="no such room left"):
            _function(capabilities)
        return
    function = _function(capabilities)
    for _ in range(2):
        found = _walk(function)
        assert [identifier for _, identifier in found] == [one.id for one in capabilities]
        for (at, _), one in zip(found, capabilities, strict=True):
            assert at + one.length <= 0x100
            assert function.capabilities[at] is one
        spans = sorted((at, at + one.length) for (at, _), one in zip(found, capabilities, strict=True))
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
        for at, byte in enumerate(written, 0x40):
            function.config.write(at, 1, byte)


def test_places() -> None:
    """A capability is where it is told to be, and the others where there is room."""
    function = _function([Msi(), PowerManagement(at=0xDC), VendorSpecific(at=0x44, data=b"x")])
    assert _walk(function) == [(0x48, 5), (0xDC, 1), (0x44, 9)]


@pytest.mark.parametrize(
    ("capabilities", "problem"),
    [
        ([Msi(at=0x42)], r"capability MSI at 0x42\.\.0x50: expected a multiple of 4 within 0x40\.\.0x100"),
        ([Msi(at=0xF8)], r"capability MSI at 0xf8\.\.0x106"),
        ([Msi(at=0x20)], "the place of capability MSI is an int, 64..0xfc, not 32"),
        ([Msi(at=0x40), MsiX(at=0x44)], r"capability MSIX at 0x44\.\.0x50 overlaps MSI at 0x40\.\.0x4e"),
        ([VendorSpecific(data=bytes(200))], "capability VENDOR takes 0xcb bytes, and there is no such room left"),
        ([Msi(), Msi()], "a function has one capability MSI, not several"),
        ([SerialNumber(at=0x200)], "the list of extended capabilities begins at 0x100"),
        ([MsiX(vectors=300)], r"the place of the MSI-X table is 0x0\.\.0x12c0 of BAR0, which has 0x1000 bytes"),
        ([MsiX(table=(3, 0))], "of BAR3, which has no such region of memory"),
        ([MsiX(pending=(0, 8))], "the MSI-X table and its pending bits overlap in BAR0"),
    ],
)
def test_do_not_go_together(capabilities: list[Capability], problem: str) -> None:
    """What does not fit is refused, and says where it was to be."""
    with pytest.raises(ValueError, match=problem):
        _function(capabilities)


@pytest.mark.parametrize("capability", [Msi, 5, None])
def test_no_capability(capability: Any) -> None:
    """A class is no capability."""
    with pytest.raises(TypeError, match=r"capabilities are made as PowerManagement\(\)"):
        _function([capability])


@pytest.mark.parametrize(
    ("kind", "arguments", "problem"),
    [
        (Msi, {"vectors": 3}, "MSI has 1, 2, 4, 8, 16 or 32 vectors, not 3"),
        (Msi, {"vectors": 64}, "vectors"),
        (MsiX, {"vectors": 2049}, "vectors"),
        (MsiX, {"table": (6, 0)}, "the BAR of the table"),
        (MsiX, {"table": (0, 4)}, "the offset of the table is a multiple of 8, not 0x4"),
        (MsiX, {"table": 0}, r"table is \(number of a BAR, offset in it\), not 0"),
        (VendorSpecific, {"data": "x"}, "data is bytes, not 'x'"),
        (SerialNumber, {"number": 1 << 64}, "number"),
        (PcieEndpoint, {"width": 3}, "width"),
        (PowerManagement, {"pme": 32}, "pme"),
    ],
)
def test_mistakes(kind: Any, arguments: dict[str, Any], problem: str) -> None:
    """Each number is checked where it is given."""
    with pytest.raises((TypeError, ValueError), match=problem):
        kind(**arguments)


def test_extended() -> None:
    """Extended capabilities are in a list of their own, from 0x100 on, in 4,096 bytes."""
    function = _function([PcieEndpoint(), SerialNumber(number=0x1122334455667788)])
    config = function.config
    assert config.length == 0x1000
    assert config.read(0x100, 4) == 0x00010003
    assert config.read(0x104, 8) == 0x1122334455667788
    assert _function([Msi()]).config.length == 0x100


class Private(Capability):
    """A capability of one's own."""

    id = 0x09
    name = "OWN"

    @property
    def length(self) -> int:
        """Bytes."""
        return 8

    def registers(self, at: int, label: str) -> Any:
        """Declare one register."""
        from mmio import register

        return {"key": register(at + 4, 4, 7, name=f"{label}.KEY")}


def test_own_capability() -> None:
    """A capability is whatever says its length and registers."""
    config = _function([Private(), Private()]).config
    assert config["OWN.KEY"] == config["OWN2.KEY"] == 7
    config.write(config.read(0x34, 1) + 4, 4, 9)
    assert (config["OWN.KEY"].value, config["OWN2.KEY"].value) == (9, 7)
