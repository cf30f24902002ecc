"""PCI functions as a program meets them."""

import os
from pathlib import Path
from typing import Final

import pytest

from mmio import Device, bit, line, register, us
from mmio.device.memory import ProgramMemory
from mmio.hosted import Host
from mmio.pci import Bar, Msi, PcieEndpoint, PciFunction, PowerManagement
from mmio.program.targeting import Targeting
from mmio.ptrace import Tracer
from tests.examples.command import SYSTEM_PATH, need_program
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import compiled


class Engine(Device):
    """A device that copies memory."""

    source = register(0x00, width=8)
    target = register(0x08, width=8)
    count = register(0x10)
    go = register(0x14, fields=[bit("START", 0, singlepulse=True)])
    irq = line()

    @go.written
    def _copy(self, old: int, new: int) -> None:
        if self.go.START:
            self.memory.write(self.target.value, self.memory.read(self.source.value, self.count.value))
            self.irq.set(True)


class Ports(Device):
    """A register at a port."""

    scratch = register(0)


class Copier(PciFunction):
    """A function with a region of memory and one of ports."""

    def __init__(self) -> None:
        self.engine = Engine()
        super().__init__(
            0x1234,
            0x11E8,
            0x088000,
            revision=5,
            subsystem=(0x1AF4, 0x1100),
            bars=[
                Bar(0, self.engine, size=0x1000),
                Bar(2, Ports(), kind="io", size=64),
                Bar(4, size=1 << 20, wide=True),
            ],
            capabilities=[PowerManagement(), Msi(vectors=2), PcieEndpoint()],
            option_rom=b"\x55\xaa" + bytes(30),
        )
        self.interrupts.follow(self.engine.irq)


MODEL = "from tests.mmio.program.test_pci_functions import Copier\n"
DRIVER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define DIR "/sys/bus/pci/devices/0000:00:03.0"
static uint64_t physical(void *at)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)at / 4096 * 8) != 8) exit(90);
	close(fd);
	return entry >> 63 ? (entry & ((1ull << 55) - 1)) * 4096 + (uintptr_t)at % 4096 : 0;
}
static uint32_t config(int offset) {
	uint32_t value = 0;
	int fd = open(DIR "/config", O_RDWR);
	if (pread(fd, &value, 4, offset) != 4) exit(91);
	close(fd);
	return value;
}
static void set_config(int offset, uint32_t value, int width) {
	int fd = open(DIR "/config", O_RDWR);
	if (pwrite(fd, &value, width, offset) != width) exit(92);
	close(fd);
}
static volatile uint8_t *mapped(const char *path, size_t length, off_t offset) {
	int fd = open(path, O_RDWR);
	void *at = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (at == MAP_FAILED) exit(93);
	return at;
}
#define W32(base, offset) (*(volatile uint32_t *)((base) + (offset)))
#define W64(base, offset) (*(volatile uint64_t *)((base) + (offset)))
int main(void)
{
	struct stat s;
	uint32_t value;
	char text[200] = "";
"""


def _runs(targeting: Targeting, body: str, function: PciFunction | None = None) -> int:
    targeting.map_pci(Copier() if function is None else function, "00:03.0")
    targeting.spawn([compiled(DRIVER + body + "return 0; }", "-O1", "-w")])  # type: ignore[attr-defined]
    status: int = targeting.run()  # type: ignore[attr-defined]
    return status


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_driver_in_user_space(tmp_path: Path, engine: str) -> None:
    """A driver finds its card in sysfs, lets it be bus master, maps it and has it copy memory."""
    (tmp_path / "copier.py").write_text(MODEL)
    body = """if (stat(DIR "/resource0", &s) || s.st_size != 4096) return 1;
        set_config(4, config(4) | 4, 2);
        volatile uint8_t *bar = mapped(DIR "/resource0", 4096, 0);
        char *buffer = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(buffer, "over the bus"); buffer[4096] = 0;
        W64(bar, 0) = physical(buffer); W64(bar, 8) = physical(buffer + 4096); W32(bar, 16) = 13; W32(bar, 20) = 1;
        if (strcmp(buffer + 4096, "over the bus")) return 2;
        if (!(config(4) >> 16 & 8)) return 3;
        if (physical(buffer) != (uintptr_t)buffer) return 4;
        return physical((void *)0x10000) != 0;"""
    options = ("run", "-q", f"--engine={engine}", "--device", "copier.py:Copier@pci:00:03.0", "-o", "run.jsonl")
    done = pagetrap(tmp_path, *options, "--", compiled(DRIVER + body + "}", "-O1", "-w"))
    assert (done.returncode, done.stderr) == (0, "")


def test_registers_are_named() -> None:
    """Accesses to configuration space and to regions are recorded by register; the texts of sysfs are not."""
    tracer = Tracer()
    body = """config(4); W32(mapped(DIR "/resource0", 4096, 0), 16) = 5;
        read(open(DIR "/vendor", O_RDONLY), text, 100); physical(text);"""
    assert _runs(tracer, body) == 0
    assert [(access.region, access.register) for access in tracer.trace] == [
        ("Copier.config", "COMMAND..STATUS"),
        ("Engine", "COUNT"),
    ]


def test_forgotten_bus_master() -> None:
    """A driver that forgets to make its card a bus master is told at the transfer."""
    function = Copier()
    body = 'volatile uint8_t *bar = mapped(DIR "/resource0", 4096, 0); W32(bar, 16) = 1; W32(bar, 20) = 1;'
    with pytest.raises(ValueError, match="read of 1 byte at address 0x0 by Copier: it is not a bus master"):
        _runs(Tracer(), body, function)


def test_ports_and_memory() -> None:
    """Regions are at their addresses: ports by instructions and by the file, memory in /dev/mem."""
    function = Copier()
    body = """unsigned long port, memory; FILE *file = fopen(DIR "/resource", "r");
        fgets(text, 200, file); memory = strtoul(text, 0, 16); fgets(text, 200, file); fgets(text, 200, file);
        port = strtoul(text, 0, 16);
        if (port != (config(0x18) & ~3) || memory != (config(0x10) & ~15)) return 1;
        if (iopl(3)) return 2;
        outl(0x12345678, port);
        if (inb(port + 1) != 0x56) return 3;
        if (pread(open(DIR "/resource2", O_RDWR), &value, 4, 0) != 4 || value != 0x12345678) return 4;
        W32(mapped("/dev/mem", 4096, memory), 16) = 7;
        if (W32(mapped(DIR "/resource0", 4096, 0), 16) != 7) return 5;
        outl(0x80001800, 0xcf8);
        if (inl(0xcfc) != 0x11e81234) return 6;"""
    assert _runs(Tracer(), body, function) == 0
    assert function.engine.count == 7


def test_paths_of_all_kinds() -> None:
    """Files are found by any path that leads there: relative to a directory, from the working directory."""
    body = """int dir = open(DIR, O_RDONLY | O_DIRECTORY);
        if (pread(openat(dir, "config", O_RDONLY), &value, 4, 0) != 4 || value != 0x11e81234) return 1;
        if (fstatat(dir, "resource4", &s, 0) || s.st_size != 1 << 20) return 2;
        if (chdir(DIR)) return 3;
        if (read(open("vendor", O_RDONLY), text, 6) != 6 || memcmp(text, "0x1234", 6)) return 4;
        if (pread(open("../0000:00:03.0/config", O_RDONLY), &value, 4, 8) != 4 || value != 0x08800005) return 5;
        if (fstat(open("config", O_RDONLY), &s) || s.st_size != 4096) return 6;
        if (access("/sys/bus/pci/devices/0000:00:04.0", F_OK) == 0) return 7;
        if (readlink(DIR "/driver", text, 100) >= 0) return 8;
        if (pread(open("/proc/bus/pci/00/03.0", O_RDONLY), &value, 4, 0) != 4 || value != 0x11e81234) return 9;
        if (read(open("rom", O_RDONLY), &value, 2) != 2 || (value & 0xffff) != 0xaa55) return 10;"""
    assert _runs(Tracer(), body) == 0


def test_enable_and_reset() -> None:
    """`enable` switches the regions, `reset` resets the device and keeps configuration space."""
    body = """volatile uint8_t *bar = mapped(DIR "/resource0", 4096, 0); uint32_t before = config(0x10);
        W32(bar, 16) = 7;
        int enable = open(DIR "/enable", O_RDWR);
        write(enable, "0", 1);
        if (config(4) & 3 || W32(bar, 16) != 0xffffffff) return 1;
        lseek(enable, 0, SEEK_SET);
        if (read(enable, text, 2) != 2 || memcmp(text, "0", 1)) return 2;
        pwrite(enable, "1", 1, 0);
        if ((config(4) & 3) != 3 || W32(bar, 16) != 7) return 3;
        write(open(DIR "/reset", O_WRONLY), "1", 1);
        if (W32(bar, 16) != 0 || config(0x10) != before || (config(4) & 3) != 3) return 4;"""
    assert _runs(Tracer(), body) == 0


def _listed(tmp_path: Path, *program: str) -> str:
    need_program(program[0], "pciutils")
    (tmp_path / "copier.py").write_text(MODEL)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": SYSTEM_PATH}
    done = pagetrap(tmp_path, "run", "-q", "--device", "copier.py:Copier@pci:3.0", "--", *program, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", ["linux-sysfs", "linux-proc", "intel-conf1"])
def test_lspci(tmp_path: Path, method: str) -> None:
    """Unmodified lspci lists the function and its capabilities, whichever way it looks."""
    shown = _listed(tmp_path, "lspci", "-vv", "-A", method)
    regions = (
        "Region 0: Memory at e0000000 (32-bit, non-prefetchable)",
        "Region 2: I/O ports at c000",
        "Region 4: Memory at 3800000000 (64-bit, non-prefetchable)",
    )
    for text in (
        "00:00.0 Host bridge",
        "00:03.0 System peripheral: Device 1234:11e8 (rev 05)",
        "Subsystem: Red Hat, Inc.",
        "Power Management version 3",
        "MSI: Enable- Count=1/2 Maskable- 64bit+",
        "Express (v2) Endpoint",
        "FLReset+",
        *(regions if method != "linux-proc" else ()),  # whose 64-bit numbers pciutils 3.9.0 takes for two of 32
    ):
        assert text in shown, shown
    assert ("(64-bit, non-prefetchable) [size=1M]" in shown) == (method == "linux-sysfs")
    assert "Kernel driver" not in shown or method == "linux-proc"


def test_setpci(tmp_path: Path) -> None:
    """Unmodified setpci reads and writes registers by their names."""
    assert _listed(tmp_path, "setpci", "-s", "3.0", "COMMAND=6", "COMMAND", "BASE_ADDRESS_0=ffffffff", "10.L") == (
        "0006\nfffff000\n"
    )


def test_no_other_functions(tmp_path: Path) -> None:
    """The machine that the program sees has these functions and no others."""
    tracer = Tracer()
    places = [tracer.map_pci(PciFunction(1, number, 3)) for number in range(3)]
    assert [str(place) for place in places] == ["0000:00:01.0", "0000:00:02.0", "0000:00:03.0"]
    tracer.spawn(["ls", "/sys/bus/pci/devices", "/sys/bus/pci/drivers"], descriptors={1: _output(tmp_path)})
    with pytest.warns(UserWarning, match=r"matches PCI function 0000:00:0[123]\.0"):
        assert tracer.run() == 0
    assert (tmp_path / "out").read_text().split() == [
        *("/sys/bus/pci/devices:", "0000:00:00.0", "0000:00:01.0", "0000:00:02.0", "0000:00:03.0"),
        "/sys/bus/pci/drivers:",
    ]


def _output(tmp_path: Path) -> int:
    return os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)


def test_untouched_function_is_named() -> None:
    """A function that the program has not looked for is named once, with its address."""
    tracer = Tracer()
    tracer.map_pci(Copier(), "00:03.0")
    assert tracer.unmatched == ["PCI function 0000:00:03.0 (Copier)"]


def test_memory_that_was_given() -> None:
    """A function that has been given a map of its own keeps it."""

    class Own:
        """Memory of zeros."""

        def read(self, address: int, length: int) -> bytes:
            """Return zeros."""
            return bytes(length)

        def write(self, address: int, data: object) -> None:
            """Do nothing."""

    own: ProgramMemory = Own()
    function = Copier()
    function.memory = own
    Host().map_pci(function)
    assert function.memory is own


def test_mistakes() -> None:
    """What cannot be is refused before any program runs."""
    tracer = Tracer()
    with pytest.raises(TypeError, match="function is a PciFunction, not"):
        tracer.map_pci(Engine())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a PCI address is"):
        tracer.map_pci(Copier(), "nowhere")
    with pytest.raises((TypeError, ValueError), match="unmapped"):
        tracer.map_pci(Copier(), unmapped="perhaps")
    tracer.map_pci(Copier(), "3.0")
    with pytest.raises(ValueError, match=r"Copier is at 0000:00:03\.0 already"):
        tracer.map_pci(Copier(), "3.0")


def test_texts_are_removed() -> None:
    """The temporary directory goes with the tracer."""
    tracer = Tracer()
    tracer.map_pci(Copier())
    assert tracer._pci is not None
    directory = tracer._pci.directory
    assert directory.exists()
    del tracer
    import gc

    gc.collect()
    assert not directory.exists()


WAITS: Final = r"""
static int wait_for(int fd, uint32_t expected) {
	uint32_t count = 0;
	return read(fd, &count, 4) != 4 || count != expected;
}
"""


class Later(Device):
    """A device that interrupts some time after it is told to, until that is acknowledged."""

    go = register(0x00)
    done = register(0x04, on_write="woclr")
    irq = line()

    @go.written
    def _start(self, old: int, new: int) -> None:
        self.clock.after(us(50), self._finish)

    @done.written
    def _acknowledge(self, old: int, new: int) -> None:
        self.irq.set(bool(new))

    def _finish(self) -> None:
        self.done.value = 1
        self.irq.set(True)


class Interrupting(PciFunction):
    """A function with such a device."""

    def __init__(self) -> None:
        self.later = Later()
        super().__init__(1, 2, 0x088000, bars=[Bar(0, self.later, size=0x1000)], capabilities=[Msi()])
        self.interrupts.follow(self.later.irq)


def _interrupts(directory: Path, engine: str, body: str) -> tuple[int, str]:
    (directory / "card.py").write_text("from tests.mmio.program.test_pci_functions import Interrupting\n")
    source = DRIVER.replace("int main(void)", f"{WAITS}int main(void)") + body + "return 0; }"
    device = ("--device", "card.py:Interrupting@pci:00:03.0")
    done = pagetrap(
        directory, "run", "-q", f"--engine={engine}", "--virtual-time", *device, "--", compiled(source, "-O1", "-w")
    )
    return done.returncode, done.stderr


each_engine = pytest.mark.parametrize("engine", ["ptrace", "inprocess"])


@each_engine
def test_the_pin_reaches_the_program_by_uio(tmp_path: Path, engine: str) -> None:
    """A read of /dev/uio0 waits for the pin, which masks itself by INTX_OFF until the program clears that."""
    body = """volatile uint8_t *bar = mapped(DIR "/resource0", 4096, 0); int fd = open("/dev/uio0", O_RDWR);
        if (fd < 0) return 1;
        for (uint32_t number = 1; number <= 3; number++) {
            W32(bar, 0) = 1;
            if (wait_for(fd, number)) return 2;
            if (!(config(4) >> 10 & 1) || !(config(4) >> 19 & 1)) return 3;
            W32(bar, 4) = 1;
            set_config(4, config(4) & ~(1 << 10), 2);
        }"""
    assert _interrupts(tmp_path, engine, body) == (0, "")


@each_engine
def test_messages_reach_the_program_by_uio(tmp_path: Path, engine: str) -> None:
    """Each message of a program that has enabled MSI counts, and none while its function is no bus master."""
    body = """int fd = open("/dev/uio0", O_RDWR | O_NONBLOCK);
        volatile uint8_t *bar = mapped(DIR "/resource0", 4096, 0);
        int at = config(0x34) & 0xff; set_config(at + 2, 1, 2);
        W32(bar, 0) = 1; usleep(1000); W32(bar, 4) = 1;
        if (!wait_for(fd, 1)) return 1;
        set_config(4, config(4) | 4, 2);
        for (uint32_t number = 1; number <= 2; number++) {
            W32(bar, 0) = 1; usleep(1000); W32(bar, 4) = 1;
            if (wait_for(fd, number)) return 2;
        }"""
    assert _interrupts(tmp_path, engine, body) == (0, "")


def test_uio_is_found_as_drivers_do() -> None:
    """sysfs leads from the function to its number and back to configuration space; the descriptor has no maps."""
    body = """struct __dirstream *uio = opendir(DIR "/uio"); struct dirent *entry; int number = -1;
        while ((entry = readdir(uio))) sscanf(entry->d_name, "uio%d", &number);
        if (number != 0) return 1;
        if (read(open("/sys/class/uio/uio0/name", O_RDONLY), text, 15) != 15 || memcmp(text, "uio_pci_generic", 15))
            return 2;
        if (pread(open("/sys/class/uio/uio0/device/config", O_RDWR), &value, 4, 0) != 4 || value != 0x00020001)
            return 3;
        int fd = open("/dev/uio0", O_RDWR);
        if (mmap(0, 4096, 3, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EINVAL) return 4;
        value = 0; if (write(fd, &value, 4) != 4 || !(config(4) >> 10 & 1)) return 5;
        value = 1; if (write(fd, &value, 4) != 4 || config(4) >> 10 & 1) return 6;"""
    headers = "#include <dirent.h>\n#include <errno.h>\n"
    targeting = Tracer()
    targeting.map_pci(Interrupting(), "00:03.0")
    source = headers + DRIVER + body + "return 0; }"
    targeting.spawn([compiled(source, "-O1", "-w")])
    assert targeting.run() == 0
