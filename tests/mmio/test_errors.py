"""Errors about accesses say what and where."""

import pytest

from decode import decode
from mmio import AccessError, AddressSpace, Device, DeviceError, UnmappedAccess, register
from mmio.errors import Where
from mmio.space.policy import Policy
from mmio.space.region import Region
from tests.mmio.doubles import Answering, Spy


class Uart(Device):
    """One register."""

    data = register(4)


def _region(device: Spy | Uart) -> Region:
    return Region(0xFE000000, 0x100, device, "uart", Policy())


def test_where_names_everything_that_is_known() -> None:
    """Width, address, region, offset, register, ip and instruction, in this order."""
    where = Where("read", "memory", 0xFE000004, 4, 0x401000, decode(bytes.fromhex("8b4704")), _region(Uart()))
    assert str(where) == (
        "read of 4 bytes at address 0xfe000004, 'uart' offset 0x4 (DATA), ip 0x401000: mov eax,[rdi+4]"
    )


def test_where_leaves_out_what_is_unknown() -> None:
    """A device without register names, a caller without instructions: neither is made up."""
    assert str(Where("write", "port", 0xFE000001, 1, 0, None, _region(Spy()))) == (
        "write of 1 byte at port 0xfe000001, 'uart' offset 0x1"
    )


def test_where_at_address_zero() -> None:
    """With an instruction the ip is known, 0 too."""
    where = Where("read", "memory", 0xFE000004, 4, 0, decode(bytes.fromhex("8b4704")), _region(Spy()))
    assert str(where).endswith(", ip 0x0: mov eax,[rdi+4]")


def test_where_nothing_is_mapped() -> None:
    """An address without a region has no offset."""
    with pytest.raises(UnmappedAccess) as caught:
        AddressSpace().read(0x10, 2)
    assert str(caught.value) == "nothing is mapped at 0x10; read of 2 bytes at address 0x10"


def test_an_error_without_place_is_its_problem() -> None:
    """Raised by a device on its own, an error says only what is wrong."""
    assert str(AccessError("too hot")) == "too hot"


def test_a_device_error_learns_its_place_on_the_way() -> None:
    """What a model raises without a place comes out of the space with one, and is the same object."""
    error = DeviceError("the pump is dry")

    class Pump(Spy):
        def read(self, offset: int, width: int) -> int:
            raise error

        def write(self, offset: int, width: int, value: int) -> None:
            raise error

    space = AddressSpace()
    space.map(0x1000, 0x10, Pump(), "pump", widths=[1, 2])
    for access, verb in ((lambda: space.read(0x1002, 2), "read"), (lambda: space.write(0x1002, 2, 0), "write")):
        error.where = None
        with pytest.raises(DeviceError) as caught:
            access()
        assert caught.value is error
        assert str(error) == f"the pump is dry; {verb} of 2 bytes at address 0x1002, 'pump' offset 0x2"
    for access, verb in ((lambda: space.read(0x1008, 4), "read"), (lambda: space.write(0x1008, 4, 0), "write")):
        error.where = None
        with pytest.raises(DeviceError):
            access()
        assert str(error) == f"the pump is dry; {verb} of 2 bytes at address 0x1008, 'pump' offset 0x8"


def test_a_device_error_keeps_the_place_it_has() -> None:
    """A model that reads from a space of its own reports the access that failed there."""
    inner = AddressSpace()
    inner.map(0, 4, Answering(None), "inner")

    class Bridge(Spy):
        def read(self, offset: int, width: int) -> int:
            return inner.read(offset, width)

    outer = AddressSpace()
    outer.map(0x1000, 4, Bridge(), "bridge")
    with pytest.raises(DeviceError, match="'inner' offset 0x0"):
        outer.read(0x1000, 4)
