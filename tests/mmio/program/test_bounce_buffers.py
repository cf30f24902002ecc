"""System calls that hand a trapped buffer to the kernel still work, and are recorded as such."""

import fcntl
import socket
import struct
from pathlib import Path

import pytest

from mmio.ptrace import Tracer
from mmio.records.flags import KERNEL
from tests.mmio.ptrace.models import Recording, pattern
from tests.mmio.ptrace.programs import device_file, program, run
from tests.needs import need

START = r"""
int main(int argc, char **argv) {
    volatile uint8_t *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
    int ends[2], n;
    pipe(ends);
"""

CALLS = {
    "write": ("n = write(1, (void *)(p + 8), 12); return n != 12;", [("R", 8, 8), ("R", 16, 4)]),
    "read": (
        'write(ends[1], "0123456789", 10); return read(ends[0], (void *)p, 40) != 10;',
        [("W", 0, 8), ("W", 8, 2)],
    ),
    "pread": ("n = open(argv[0], O_RDONLY); return pread(n, (void *)(p + 4), 4, 0) != 4;", [("W", 4, 4)]),
    "writev": (
        'struct iovec v[2] = {{"ab", 2}, {(void *)(p + 2), 6}}; return writev(1, v, 2) != 8;',
        [("R", 2, 2), ("R", 4, 4)],
    ),
    "readv": (
        'char c[3]; struct iovec v[2] = {{c, 3}, {(void *)p, 40}}; write(ends[1], "01234567", 8);'
        'return readv(ends[0], v, 2) != 8 || memcmp(c, "012", 3);',
        [("W", 0, 4), ("W", 4, 1)],
    ),
    "sendmsg": (
        'socketpair(AF_UNIX, SOCK_STREAM, 0, ends); struct iovec v[2] = {{"ab", 2}, {(void *)(p + 2), 6}};'
        "struct msghdr m = {.msg_iov = v, .msg_iovlen = 2}; char c[9]; if (sendmsg(ends[0], &m, 0) != 8) return 1;"
        'return read(ends[1], c, 9) != 8 || memcmp(c, "ab\2\3\4\5\6\7", 8) || v[1].iov_base != p + 2;',
        [("R", 2, 2), ("R", 4, 4)],
    ),
    "recvmsg": (
        "socketpair(AF_UNIX, SOCK_STREAM, 0, ends); char c[3]; struct iovec v[2] = {{c, 3}, {(void *)p, 40}};"
        "struct msghdr m = {.msg_iov = v, .msg_iovlen = 2, .msg_control = (void *)(p + 128), .msg_controllen = 64,"
        ' .msg_flags = -1}; write(ends[0], "01234567", 8); if (recvmsg(ends[1], &m, 0) != 8) return 1;'
        'return m.msg_controllen || m.msg_flags || m.msg_iov != v || m.msg_control != p + 128 || memcmp(c, "012", 3);',
        [("W", 0, 4), ("W", 4, 1)],
    ),
    "recvmsg of a descriptor": (
        "socketpair(AF_UNIX, SOCK_STREAM, 0, ends); char c, d[64] = {0}; struct iovec v = {&c, 1};"
        "struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = d, .msg_controllen = CMSG_SPACE(4)};"
        "struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS;"
        "h->cmsg_len = CMSG_LEN(4); if (sendmsg(ends[0], &m, 0) != 1) return 1;"
        "m.msg_control = (void *)p; m.msg_controllen = 64;"
        "return recvmsg(ends[1], &m, 0) != 1 || m.msg_controllen != CMSG_SPACE(4);",
        [("W", 0, 8), ("W", 8, 8), ("W", 16, 8)],
    ),
    "ioctl": ('write(ends[1], "0123", 4); return ioctl(ends[0], FIONREAD, p + 16) != 0;', None),
    "fstat": ("return fstat(1, (void *)p) != 0;", [("W", at, 8) for at in range(0, 144, 8)]),
    "clock_gettime": ("return syscall(228, 0, p + 32) != 0;", [("W", 32, 8), ("W", 40, 8)]),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_with_a_trapped_buffer(tmp_path: Path, name: str) -> None:
    """The kernel's side of a trapped buffer goes through the device in aligned words, and says so in the record."""
    body, expected = CALLS[name]
    card = Recording()
    tracer = Tracer()
    tracer.map_file("/nowhere", card)
    assert run(tracer, program(START + body + "}"), "/nowhere").status == 0
    accesses = [access for access in tracer.trace if access.flags & KERNEL]
    assert accesses == list(tracer.trace)
    assert all(access.text == "syscall" and access.ip for access in accesses)
    if expected is not None:
        assert [(a.letter, a.offset, a.width) for a in accesses] == expected
    else:
        assert card.written == [(0x10, 4, 4)]


def test_ioctl_with_a_pointer_in_its_structure(tmp_path: Path) -> None:
    """The buffer an ioctl's structure names may be trapped, and gets what an ordinary one gets."""
    size = struct.pack("iP", 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        length = struct.unpack("iP", fcntl.ioctl(any_socket, 0x8912, size))[0]  # SIOCGIFCONF says how long it would be
    need(length, "a network interface that has an address")
    body = r"""
    char plain[400];
    struct ifconf there = {sizeof plain, {plain}}, here = {sizeof plain, {(char *)p}};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(s, SIOCGIFCONF, &there) || ioctl(s, SIOCGIFCONF, &here)) return 1;
    if (here.ifc_len != there.ifc_len || here.ifc_buf != (char *)p) return 2;
    for (int i = 0; i < there.ifc_len; i++) if (p[i] != (uint8_t)plain[i]) return 3;
    return 0; }"""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(START + body), tmp_path / "device").status == 0
    assert sum(a.width for a in tracer.trace if a.flags & KERNEL) == min(length, 400)


def test_what_was_written_is_what_the_device_answers(tmp_path: Path) -> None:
    """write(2) of a device's bytes sends what the device answered."""
    tracer = Tracer()
    tracer.map_file("/nowhere", Recording())
    outcome = run(tracer, program(START + "return write(1, (void *)(p + 0x41), 9) != 9; }"), "/nowhere")
    assert outcome.output.encode() == pattern(0x41, 9).to_bytes(9, "little")


def test_a_failing_call_touches_nothing_it_should_not(tmp_path: Path) -> None:
    """A read that fails writes nothing, and its errno is the program's to see."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    body = "return read(-1, (void *)p, 8) != -1 || errno != EBADF; }"
    assert run(tracer, program(START + body), tmp_path / "device").status == 0
    assert len(tracer.trace) == 0


def test_half_a_buffer_is_half_written(tmp_path: Path) -> None:
    """Of a buffer that runs from a trapped page into nothing, what is there is written."""
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    body = "return write(1, (void *)(p + 4090), 16) != 6 || write(1, (void *)(p + 4096), 1) != -1 || errno != EFAULT; }"
    assert run(tracer, program(START + body), tmp_path / "device").status == 0


def test_a_blocked_read_is_interrupted_as_ever(tmp_path: Path) -> None:
    """A read into a trapped buffer that a signal interrupts is made again, into the same place."""
    body = r"""
    struct itimerval timer = {{0, 0}, {0, 20000}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, 0);
    where = ends[1];
    setitimer(ITIMER_REAL, &timer, 0);
    return read(ends[0], (void *)p, 4) != 4 || p[0] != 'l'; }"""
    handler = 'static int where; static void tick(int number) { write(where, "late", 4); }'
    tracer = Tracer()
    tracer.map_file(str(device_file(tmp_path)))
    assert run(tracer, program(handler + START + body), tmp_path / "device").status == 0
    assert [(a.letter, a.value) for a in tracer.trace] == [("W", 0x6574616C), ("R", ord("l"))]
