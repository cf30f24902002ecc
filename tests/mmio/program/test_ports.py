"""Real ports of a traced program, on a kernel and a machine that are pretended: see `granting.py`."""

import errno
import os
import signal

import pytest

from decode import READ, WRITE
from mmio.linux import io_ports
from mmio.ptrace import Tracer
from tests.mmio.ptrace.granting import Granting
from tests.mmio.ptrace.models import Recording, pattern
from tests.mmio.ptrace.programs import need_program, program, program_32, run


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Granting:
    """One that grants IO ports."""
    return Granting(monkeypatch)


def tracer_of(port: int, count: int) -> Tracer:
    """Return a tracer of real ports."""
    tracer = Tracer()
    tracer.map_ports(port, count)
    return tracer


@pytest.mark.parametrize(("letter", "width"), [("b", 1), ("w", 2), ("l", 4)])
def test_real_ports_are_worked(kernel: Granting, letter: str, width: int) -> None:
    """IN and OUT of an unmodified program are made on the machine's ports, in all widths, and recorded."""
    need_program("inb", "ioport")
    card, tracer = Recording(), tracer_of(0x302, 8)
    with kernel.machine(card) as machine:
        outcome = run(tracer, f"in{letter}", "0x302")
        assert (outcome.status, int(outcome.output)) == (0, pattern(2, width))
        value = 0xF1E2D3C4 & (1 << 8 * width) - 1
        assert run(tracer, f"out{letter}", "0x304", hex(value)).status == 0
    assert card.written == [(4, width, value)]
    expected = [(READ, 0x302, width, pattern(2, width)), (WRITE, 0x304, width, value)]
    assert [(a.direction, a.address, a.width, a.value) for a in machine.trace] == expected
    assert [(a.direction, a.address, a.width, a.value) for a in tracer.trace] == expected
    assert {(a.space, a.region) for a in tracer.trace} == {("port", "ports")}
    assert kernel.taken == [(0x302, 8), (0x302, 8)]


def test_an_access_beyond_the_border_stays_one(kernel: Granting) -> None:
    """What touches a traced port is one access to the machine and in the trace, with the ports beside it."""
    tracer = tracer_of(0x304, 2)
    with kernel.machine(Recording()) as machine:
        source = "int main() { if (iopl(3)) return 1; return inl(0x302) != 0x05040302 || inw(0x305) != 0x0605; }"
        assert run(tracer, program(source)).status == 0
    assert [(a.address, a.width) for a in tracer.trace] == [(0x302, 4), (0x305, 2)]
    assert [(a.address, a.width) for a in machine.trace] == [(0x302, 4), (0x305, 2)]


def test_strings_of_a_port(kernel: Granting) -> None:
    """REP INSW and REP OUTSB are an access for each element."""
    source = """int main() {
        uint16_t words[2]; char bytes[3] = "abc";
        if (ioperm(0x300, 8, 1)) return 1;
        insw(0x302, words, 2), outsb(0x304, bytes, 3);
        return words[0] != 0x0302 || words[1] != 0x0302;
    }"""
    tracer, card = tracer_of(0x300, 8), Recording()
    with kernel.machine(card):
        assert run(tracer, program(source)).status == 0
    assert card.written == [(4, 1, ord(letter)) for letter in "abc"]
    assert [(a.address, a.width) for a in tracer.trace] == [(0x302, 2)] * 2 + [(0x304, 1)] * 3


@pytest.mark.parametrize(
    "asks",
    ["", "ioperm(0x304, 1, 1);", "ioperm(0x304, 2, 1), ioperm(0x305, 1, 0);", "iopl(3), iopl(0);", "iopl(2);"],
)
def test_a_port_without_the_right_to_it_faults(kernel: Granting, asks: str) -> None:
    """The program has its own SIGSEGV, as without us, and nothing reaches the machine."""
    tracer = tracer_of(0x304, 4)
    with kernel.machine(Recording()) as machine:
        assert run(tracer, program(f"int main() {{ {asks} return inb(0x305); }}")).status == -signal.SIGSEGV
    assert len(machine.trace) == len(tracer.trace) == 0
    assert tracer.unmatched == []  # it has been there, for all that


def test_a_port_that_is_not_traced_is_not_ours(kernel: Granting) -> None:
    """A port that the kernel has not granted faults, although the program believes otherwise: we do not step in."""
    tracer = tracer_of(0x304, 4)
    with kernel.machine(Recording()) as machine:
        assert run(tracer, program("int main() { ioperm(0x30c, 1, 1); return inb(0x30c); }")).status in (
            -signal.SIGSEGV,
            0xFF,  # where ports are really granted: the bus of a machine without a device
        )
    assert len(machine.trace) == 0


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_the_kernel_decides(kernel: Granting, number: int) -> None:
    """What it answers the program, the program hears; refused, it has no modelled port either."""
    kernel.answer = -number
    source = f"""int main() {{
        if (iopl(3) != -1 || errno != {number} || ioperm(0x304, 1, 1) != -1 || errno != {number}) return 1;
        return inb(0x304);
    }}"""
    assert run(tracer_of(0x304, 4), program(source)).status == -signal.SIGSEGV
    assert kernel.taken == []


def test_a_level_that_is_none(kernel: Granting) -> None:
    """An iopl that the kernel refuses to every process is left to it."""
    source = "int main() { return iopl(4) != -1 || (errno != EINVAL && errno != ENOSYS); }"
    assert run(tracer_of(0x304, 4), program(source)).status == 0


def test_rights_are_inherited(kernel: Granting) -> None:
    """A child has them, and so has what it executes."""
    source = """int main(int argc, char **argv) {
        if (argc > 1) return inb(0x305) != 5;
        if (iopl(3)) return 2;
        if (!fork()) execl(argv[0], "again", "x", (char *)0);
        int status;
        wait(&status);
        return status;
    }"""
    tracer = tracer_of(0x304, 4)
    with kernel.machine(Recording()):
        assert run(tracer, program(source)).status == 0
    assert [a.address for a in tracer.trace] == [0x305]


def test_programs_of_32_bits(kernel: Granting) -> None:
    """iopl has another number there, and so has what takes the ports back."""
    source = r"""START {
        if (call(110, 3, 0, 0, 0, 0, 0)) leave(1);
        unsigned char value;
        __asm__ volatile("inb %%dx,%%al" : "=a"(value) : "d"(0x305));
        leave(value);
    }"""
    with kernel.machine(Recording()):
        assert run(tracer_of(0x304, 4), program_32(source)).status == 5
    assert kernel.taken == [(0x304, 4)]


def test_a_name_is_the_registers(kernel: Granting) -> None:
    """A target's name stands beside the accesses that touch it."""
    tracer = tracer_of(0x300, 2)
    tracer.map_ports(0x304, 2, name="status")
    with kernel.machine(Recording()):
        assert run(tracer, program("int main() { iopl(3); inb(0x300), inl(0x302); return 0; }")).status == 0
    assert [(a.region, a.offset, a.register) for a in tracer.trace] == [
        ("ports", 0x300, None),
        ("ports", 0x302, "status"),
    ]


def test_ports_nothing_is_done_at_are_named(kernel: Granting) -> None:
    """A program that asks for no port has met no target."""
    with pytest.warns(UserWarning, match=r"the program used nothing that matches ports 0x304\.\.0x308"):
        assert run(tracer_of(0x304, 4), program("int main() { return 0; }")).status == 0


def test_what_cannot_be_traced_is_refused(kernel: Granting) -> None:
    """No ports, policies of a device, devices at other ports, and a program that runs already."""
    tracer = tracer_of(0x304, 4)
    for port, count in ((-1, 2), (0, 0), (0xFFFF, 2)):
        with pytest.raises(ValueError, match="expected ports within 0x0"):
            tracer.map_ports(port, count)
    with pytest.raises(ValueError, match="real ports take what the program does, and no widths"):
        tracer.map_ports(0x308, 1, widths=(1,))
    with pytest.raises(ValueError, match="not both"):
        tracer.map_ports(0x308, 1, Recording())
    with pytest.raises(ValueError, match="from its start only"):
        tracer.attach(os.getpid())
    other = Tracer()
    other.map_ports(0x308, 1, Recording())
    with pytest.raises(ValueError, match="not both"):
        other.map_ports(0x304, 1)


def test_ports_out_of_reach_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller that names them hears it, before any program is started."""

    def refuse(*asked: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    monkeypatch.setattr(io_ports, "permit", refuse)
    with pytest.raises(PermissionError, match="SYS_RAWIO"):
        tracer_of(0x304, 4)
