"""PCI configuration space, by itself and as lspci and setpci of Debian see it."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from mmio import open_trace
from tests.examples.command import EXAMPLES, need_program, pagetrap, run_on

BRIDGE = "pci.py:HostBridge@ports:0xcf8+8"
NAMES = {
    "00:00.0": "Host bridge: Intel Corporation 440FX",
    "00:01.0": "ISA bridge: Intel Corporation 82371SB PIIX3 ISA",
    "00:01.1": "IDE interface: Intel Corporation 82371SB PIIX3 IDE",
    "00:02.0": "VGA compatible controller: Device 1234:1111",
    "00:03.0": "Ethernet controller: Intel Corporation 82540EM Gigabit Ethernet Controller",
    "00:04.0": "Non-Volatile memory controller: Red Hat, Inc. QEMU NVM Express Controller",
    "00:1e.0": "PCI bridge: Red Hat, Inc. QEMU PCI-PCI bridge",
    "01:05.0": "SCSI storage controller: Red Hat, Inc. Virtio block device",
}


@pytest.fixture
def pci(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the model."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("pci")


@pytest.fixture
def bridge(pci: Any) -> Any:
    return pci.HostBridge()


def address(bus: int, device: int, function: int, register: int) -> int:
    """Return what goes into CONFIG_ADDRESS."""
    return 0x80000000 | bus << 16 | device << 11 | function << 8 | register


def listed(output: str) -> dict[str, str]:
    """Return the functions lspci has listed, by place."""
    return dict(line.split(" ", 1) for line in output.splitlines() if line)


def test_a_register_is_read_whole_and_in_parts(bridge: Any) -> None:
    """CONFIG_DATA answers at every width and every byte of the register that CONFIG_ADDRESS names."""
    bridge.write(0, 4, address(0, 3, 0, 0))
    assert bridge.read(0, 4) == address(0, 3, 0, 0)
    assert bridge.read(4, 4) == 0x100E8086
    assert [bridge.read(4 + at, 2) for at in (0, 2)] == [0x8086, 0x100E]
    assert [bridge.read(4 + at, 1) for at in range(4)] == [0x86, 0x80, 0x0E, 0x10]


def test_bytes_written_leave_the_others_alone(bridge: Any) -> None:
    """A byte written beside the status register does not clear the status bits that read as one."""
    bridge.write(0, 4, address(0, 3, 0, 4))
    bridge.functions[3, 0].status.value = 0x2000
    bridge.write(4, 1, 0x07)
    assert bridge.read(4, 4) == 0x20000007
    bridge.write(6, 2, 0x2000)
    assert bridge.read(4, 4) == 0x00000007


@pytest.mark.parametrize(
    ("device", "index", "wanted"),
    [(3, 0, 0xFFFE0000), (3, 1, 0xFFFFFFC1), (3, 2, 0), (2, 0, 0xFF000008), (4, 0, 0xFFFFC004), (4, 1, 0xFFFFFFFF)],
)
def test_all_ones_are_answered_with_the_size(bridge: Any, device: int, index: int, wanted: int) -> None:
    """The bits below the size stay as they are: in IO, memory, prefetchable, 64-bit and unused registers."""
    bridge.write(0, 4, address(0, device, 0, 0x10 + 4 * index))
    before = bridge.read(4, 4)
    bridge.write(4, 4, 0xFFFFFFFF)
    assert bridge.read(4, 4) == wanted
    bridge.write(4, 4, before)
    assert bridge.read(4, 4) == before


@pytest.mark.parametrize("place", [(0, 9, 0), (0, 3, 1), (1, 6, 0), (2, 0, 0)])
def test_where_nobody_is_ones_are_read(bridge: Any, place: tuple[int, int, int]) -> None:
    """An absent device, function or bus reads as ones and ignores what is written."""
    bridge.write(0, 4, address(*place, 0))
    bridge.write(4, 4, 0)
    assert [bridge.read(4, width) for width in (4, 2, 1)] == [0xFFFFFFFF, 0xFFFF, 0xFF]


def test_the_address_is_a_dword_and_enables(bridge: Any) -> None:
    """A narrower write is not for CONFIG_ADDRESS, reserved bits stay 0, and without the enable bit none answers."""
    bridge.write(0, 4, 0xFFFFFFFF)
    assert bridge.read(0, 4) == 0x80FFFFFC
    bridge.write(0, 4, address(0, 0, 0, 0))
    bridge.write(0, 1, 0x04)
    bridge.write(3, 1, 0)
    assert bridge.read(4, 4) == 0x12378086
    assert bridge.read(1, 1) == 0xFF
    bridge.write(0, 4, address(0, 0, 0, 0) & ~0x80000000)
    assert bridge.read(4, 4) == 0xFFFFFFFF


def test_a_bridge_forwards_the_buses_it_is_told(bridge: Any) -> None:
    """What is behind a bridge has the bus number that is written into the bridge."""
    bridge.write(0, 4, address(0, 0x1E, 0, 0x18))
    bridge.write(5, 1, 7)
    bridge.write(6, 1, 7)
    bridge.write(0, 4, address(1, 5, 0, 0))
    assert bridge.read(4, 4) == 0xFFFFFFFF
    bridge.write(0, 4, address(7, 5, 0, 0))
    assert bridge.read(4, 4) == 0x10011AF4


def test_the_upper_half_of_8_bytes_goes_nowhere(pci: Any) -> None:
    """The bridge in memory takes and gives 4 bytes, however wide the access."""
    bridge = pci.MemoryHostBridge()
    bridge.write(0, 8, 0xDEADBEEF << 32 | address(0, 3, 0, 0x3C))
    assert bridge.read(0, 8) == address(0, 3, 0, 0x3C)
    bridge.write(0x1000, 8, 0xDEADBEEF_00000005)
    assert bridge.read(0x1000, 8) == 0x00000105
    assert bridge.read(0x1001, 1) == 0x01


def test_lspci_lists_the_functions_by_name(tmp_path: Path) -> None:
    """By configuration mechanism #1: dword writes of the address, dword and byte reads of the data."""
    need_program("lspci", "pciutils")
    found = listed(run_on(BRIDGE, tmp_path, "lspci", "-A", "intel-conf1").stdout)
    assert found.keys() == NAMES.keys()
    assert all(found[place].startswith(name) for place, name in NAMES.items())
    trace = open_trace(tmp_path / "run.jsonl").load()
    assert {(a.letter, a.address, a.width) for a in trace} >= {("W", 0xCF8, 4), ("R", 0xCFC, 4), ("R", 0xCFE, 1)}
    assert {str(a.instruction) for a in trace} == {"out dx,eax", "in eax,dx", "in al,dx"}
    assert {a.register for a in trace} >= {"CONFIG_ADDRESS", "CONFIG_DATA", "CONFIG_DATA+2"}


def test_lspci_shows_resources(tmp_path: Path) -> None:
    """The base addresses, the interrupt and the buses of the bridge are those of the model."""
    need_program("lspci", "pciutils")
    shown = run_on(BRIDGE, tmp_path, "lspci", "-A", "intel-conf1", "-v").stdout
    for line in (
        "Memory at feb80000 (32-bit, non-prefetchable)",
        "I/O ports at c000",
        "Memory at e0000000 (32-bit, prefetchable)",
        "Memory at febf0000 (64-bit, non-prefetchable)",
        "Flags: fast devsel, IRQ 11",
        "Bus: primary=00, secondary=01, subordinate=01",
    ):
        assert line in shown


def test_setpci_sizes_a_base_address_register(tmp_path: Path) -> None:
    """setpci writes all ones and reads the size back; bytes and words reach their place."""
    need_program("setpci", "pciutils")
    script = (
        "setpci -A intel-conf1 -s 3.0 BASE_ADDRESS_0=ffffffff BASE_ADDRESS_0 LATENCY_TIMER=40 LATENCY_TIMER COMMAND"
    )
    assert run_on(BRIDGE, tmp_path, "sh", "-c", script).stdout.split() == ["fffe0000", "40", "0003"]


def test_lspci_through_memory(tmp_path: Path) -> None:
    """A file that does not exist is the bridge: the same list by way of two pages, 8 bytes at a time."""
    need_program("lspci", "pciutils")
    lspci = ["lspci", "-A", "mmio-conf1", "-O", "devmem.path=/dev/pci", "-O", "mmio-conf1.addrs=0x0/0x1000"]
    found = listed(run_on("pci.py:MemoryHostBridge@/dev/pci", tmp_path, *lspci).stdout)
    assert found.keys() == NAMES.keys()
    assert all(found[place].startswith(name) for place, name in NAMES.items())


def test_lspci_makes_8_byte_accesses_to_4_byte_registers(tmp_path: Path) -> None:
    """The width column shows the fault of pciutils 3.9.0 at once: readl and writel on unsigned long.

    It was corrected upstream in January 2023.
    """
    need_program("lspci", "pciutils")
    (tmp_path / "window").write_bytes(bytes(0x2000))
    options = ["-O", f"devmem.path={tmp_path}/window", "-O", "mmio-conf1.addrs=0x0/0x1000"]
    command = ["trace", "-q", "-o", "run.jsonl", "--map", "*/window", "--", "lspci", "-A", "mmio-conf1", *options]
    done = pagetrap(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    trace = open_trace(tmp_path / "run.jsonl").load()
    assert len(trace) >= 3 * 32  # each device number of the first bus is tried
    assert {a.width for a in trace} == {8}
    assert {str(a.instruction) for a in trace} == {"mov [rdx],rax", "mov rax,[rdx]", "mov rax,[rax]"}
    assert {a.value for a in trace if a.writes} == {address(0, device, 0, 0) for device in range(32)}
