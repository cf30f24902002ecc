"""Files that devices, or other files, answer in place of."""

from pathlib import Path

from mmio.ptrace import Tracer
from mmio.records.flags import KERNEL
from tests.mmio.ptrace.models import Recording, pattern
from tests.mmio.ptrace.programs import program, run


def _run(tracer: Tracer, body: str) -> None:
    outcome = run(tracer, program("int main(int argc, char **argv) { struct stat s; uint32_t x = 0; " + body + "}"))
    assert outcome.status == 0, f"check {outcome.status} failed"


def test_reads_and_writes_go_to_the_device() -> None:
    """pread, pwrite, read, write and lseek on a file that is not there find the device, at its place in the file."""
    card = Recording()
    tracer = Tracer()
    tracer.map_file("/dev/mem", card, offset=0xFE000000, length=0x1000)
    _run(
        tracer,
        """int fd = open("/dev/mem", O_RDWR | O_SYNC);
        if (pread(fd, &x, 4, 0xfe000010) != 4 || x != 0x13121110) return 1;
        if (pwrite(fd, &x, 2, 0xfe000020) != 2) return 2;
        if (lseek(fd, 0xfe000030, SEEK_SET) != 0xfe000030 || read(fd, &x, 4) != 4 || x != 0x33323130) return 3;
        if (write(fd, &x, 1) != 1 || lseek(fd, 0, SEEK_CUR) != 0xfe000035) return 4;
        if (pread(fd, &x, 4, 0xfe001000) != 0) return 5;
        int copy = dup(fd);
        if (pread(copy, &x, 4, 0xfe000040) != 4 || x != 0x43424140) return 6;
        if (fstat(fd, &s) || s.st_size < 0xfe001000) return 7;
        return 0;""",
    )
    assert card.written == [(0x20, 2, 0x1110), (0x34, 1, 0x30)]
    assert all(access.flags & KERNEL for access in tracer.trace)
    assert [(a.region, a.offset, a.width) for a in tracer.trace][:2] == [("/dev/mem", 0x10, 4), ("/dev/mem", 0x20, 2)]


def test_configuration_space_is_read_in_words() -> None:
    """A transfer of PCI configuration space is cut as the kernel cuts it, into aligned words of at most four bytes."""
    tracer = Tracer()
    tracer.map_file("/sys/bus/pci/devices/*/config", Recording(), length=256)
    body = """char b[256]; int fd = open("/sys/bus/pci/devices/0000:00:1f.0/config", O_RDONLY);
        return pread(fd, b, 9, 2) != 9 || pread(fd, b, 256, 0) != 256 || pread(fd, b, 9, 250) != 6;"""
    _run(tracer, body)
    widths = [(access.offset, access.width) for access in tracer.trace]
    assert widths[:3] == [(2, 2), (4, 4), (8, 2)]
    assert widths[3] == (10, 1)
    assert widths[4:68] == [(at, 4) for at in range(0, 256, 4)]


def test_dev_port_reaches_the_ports() -> None:
    """/dev/port is the IO ports, a byte at a time."""
    ports = Recording()
    tracer = Tracer()
    tracer.map_ports(0x80, 8, ports)
    _run(
        tracer,
        """int fd = open("/dev/port", O_RDWR); char b[2] = {1, 2};
        return pwrite(fd, b, 2, 0x84) != 2 || pread(fd, b, 2, 0x82) != 2 || b[1] != 3;""",
    )
    assert ports.written == [(4, 1, 1), (5, 1, 2)]
    assert [(a.space, a.address, a.width) for a in tracer.trace][2:] == [("port", 0x82, 1), ("port", 0x83, 1)]


def test_missing_files_are_there() -> None:
    """A program that looks before it opens finds a file that a device answers for, also by a relative path."""
    tracer = Tracer()
    tracer.map_file("/dev/uio[0-9]", Recording())
    body = """if (access("/dev/uio0", R_OK | W_OK)) return 1;
        if (stat("/dev/uio7", &s) || !S_ISCHR(s.st_mode)) return 2;
        if (chdir("/dev") || open("uio1", O_RDWR) < 0 || open("../dev/./uio2", O_RDWR) < 0) return 3;
        if (open("/dev/uiox", O_RDWR) >= 0 || !access("/dev/uiox", F_OK)) return 4;
        return fcntl(open("uio3", O_RDWR | O_CLOEXEC), F_GETFD) != FD_CLOEXEC;"""
    _run(tracer, body)


def test_a_file_stands_in_for_another(tmp_path: Path) -> None:
    """A redirected path opens the other file, whose mappings can be targets by its own name."""
    (tmp_path / "dump").write_bytes(bytes(range(256)) * 16)
    tracer = Tracer()
    tracer.redirect("/dev/mem", str(tmp_path / "dump"))
    tracer.map_file(str(tmp_path / "dump"))
    _run(tracer, 'return map("/dev/mem", PROT_READ)[1] != 0x07060504;')
    assert [(a.offset, a.value) for a in tracer.trace] == [(4, pattern(4, 4))]


def test_a_device_opened_by_the_parent_is_the_childs_too() -> None:
    """A descriptor of a device works after fork and exec, where it is read and mapped."""
    card = Recording()
    tracer = Tracer()
    tracer.map_file("/dev/uio0", card)
    _run(
        tracer,
        """if (argc == 1) {
            dup2(open("/dev/uio0", O_RDWR), 9);
            if (!fork()) execl("/proc/self/exe", "again", "x", (char *)0);
            wait(&x);
            return WEXITSTATUS(x);
        }
        volatile uint32_t *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 9, 0);
        return pread(9, &x, 4, 4) != 4 || x != p[1];""",
    )
    assert len(tracer.trace) == 2
