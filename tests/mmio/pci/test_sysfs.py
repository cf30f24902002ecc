"""What the kernel tells programs of PCI functions."""

from mmio.pci import Bar, PciBus, PcieEndpoint, PciFunction
from mmio.pci.sysfs import attributes, proc_line, resources


def _placed() -> PciFunction:
    bars = [Bar(0, size=0x1000), Bar(1, size=0x20, kind="io"), Bar(4, size=0x4000, wide=True, prefetchable=True)]
    function = PciFunction(
        0x8086, 0x100E, 0x020000, revision=3, subsystem=(0x1AF4, 0x1100), bars=bars, option_rom=b"\x55\xaa"
    )
    PciBus().add("3.0", function)
    return function


def test_resources() -> None:
    """Each region has its addresses and the flags of include/linux/ioport.h; the ROM is the seventh."""
    lines = [str(one) for one in resources(_placed())]
    assert len(lines) == 13
    assert lines[0] == "0x00000000e0000000 0x00000000e0000fff 0x0000000000040200"
    assert lines[1] == "0x000000000000c000 0x000000000000c01f 0x0000000000040101"
    assert lines[4] == "0x0000003800000000 0x0000003800003fff 0x000000000014220c"
    assert lines[6] == "0x00000000e0001000 0x00000000e00017ff 0x0000000000046200"
    assert {lines[index] for index in (2, 3, 5, 7, 12)} == {" ".join(["0x0000000000000000"] * 3)}


def test_attributes() -> None:
    """The texts are those that programs parse."""
    bus, function = PciBus(), _placed()
    address = bus.add("1:3.0", PciFunction(1, 2, 3))
    texts = attributes(address, function)
    assert [texts[name] for name in ("vendor", "device", "class", "revision")] == [
        "0x8086\n",
        "0x100e\n",
        "0x020000\n",
        "0x03\n",
    ]
    assert texts["modalias"] == "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00\n"
    assert "PCI_SLOT_NAME=0000:01:03.0\n" in texts["uevent"]
    assert "current_link_speed" not in texts
    express = attributes(address, PciFunction(1, 2, 3, capabilities=[PcieEndpoint(speed=3, width=4)]))
    assert (express["current_link_speed"], express["max_link_width"]) == ("8.0 GT/s PCIe\n", "4\n")


def test_proc_line() -> None:
    """A line of /proc/bus/pci/devices has place, numbers, interrupt, and seven addresses and sizes."""
    bus, function = PciBus(), _placed()
    address = bus.add("3.0", PciFunction(1, 2, 3))
    words = proc_line(address, function).rstrip("\n").split("\t")
    assert words[:2] == ["0018", "8086100e"]
    assert [int(word, 16) for word in words[3:17]][:2] == [0xE0000000, 0xC001]
    assert [int(word, 16) for word in words[10:17]] == [0x1000, 0x20, 0, 0, 0x4000, 0, 0x800]
    assert len(words) == 18
