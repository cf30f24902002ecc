"""/dev/uioN with an interrupt, for programs under both engines: as Linux's userspace IO has it."""

from pathlib import Path

import pytest

from mmio import Device, Line, Tracer, line, register
from mmio.program.uio_opens import UioError, line_of
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import program, run

MODEL = '''
from mmio import Device, line, register, us


class Card(Device):
    """A card that is done some time after it is started, and interrupts until that is acknowledged."""

    ctrl = register(0x00)
    stat = register(0x04, on_write="woclr")
    irq = line()

    @ctrl.written
    def _start(self, old, new):
        for number in range(new):
            self.clock.after(us(50 * (number + 1)), self._done)

    @stat.written
    def _acknowledge(self, old, new):
        self.irq.set(bool(new))

    def _done(self):
        self.stat.value = 1
        self.irq.set(True)


class Edges(Card):
    """The same with an interrupt by edges, each of which is one."""

    irq = line(trigger="edge")

    def _done(self):
        super()._done()
        self.irq.set(False)
'''

LOOP = r"""
int main(int argc, char **argv) {
    int fd = open("/dev/uio0", O_RDWR);
    volatile uint32_t *regs = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || regs == MAP_FAILED) return 1;
    for (uint32_t i = 1; i <= 3; i++) {
        uint32_t count, one = 1;
        struct pollfd ready = {fd, POLLIN};
        regs[0] = 1;
        if (poll(&ready, 1, 0)) return 2;
        if (argc > 1 && (poll(&ready, 1, -1) != 1 || ready.revents != POLLIN)) return 3;
        if (read(fd, &count, sizeof count) != 4 || count != i || regs[1] != 1) return 4;
        regs[1] = 1;
        if (write(fd, &one, sizeof one) != 4) return 5;
    }
    puts("3 interrupts");
    return 0;
}
"""
DETAILS = r"""
int main(void) {
    int fd = open("/dev/uio0", O_RDWR | O_NONBLOCK), other = open("/dev/uio0", O_RDWR | O_CLOEXEC);
    volatile uint32_t *regs = map("/dev/uio0", PROT_READ | PROT_WRITE);
    uint32_t count = 7, zero = 0, one = 1, eight[2] = {0};
    if (read(fd, &count, 4) != -1 || errno != EAGAIN || count != 7) return 1;
    if (read(fd, eight, 8) != -1 || errno != EINVAL || write(fd, eight, 2) != -1 || errno != EINVAL) return 2;
    if (read(fd, (void *)8, 4) != -1 || errno != EAGAIN) return 3;
    regs[0] = 3;                                                  /* three edges */
    if (read(other, &count, 4) != 4 || count != 1) return 4;
    usleep(1000);
    if (read(other, &count, 4) != 4 || count != 3) return 5;      /* the present count, once */
    if (read(fd, &count, 4) != 4 || count != 3 || read(fd, &count, 4) != -1) return 6;   /* each open its own */
    if (write(fd, &zero, 4) != 4) return 7;                       /* masked */
    regs[0] = 2;
    usleep(1000);
    if (read(fd, &count, 4) != -1 || errno != EAGAIN) return 8;
    if (write(other, &one, 4) != 4 || read(fd, &count, 4) != 4 || count != 4) return 9;   /* one edge is remembered */
    int late = open("/dev/uio0", O_RDWR | O_NONBLOCK);
    if (read(late, &count, 4) != -1 || errno != EAGAIN) return 10;        /* what was before it does not count */
    if (dup2(other, 50) != 50 || close(other) || read(50, &count, 4) != 4 || count != 4) return 11;
    regs[0] = 1;
    if (read(50, &count, 4) != 4 || count != 5) return 12;
    if (fcntl(late, F_GETFD) || !(fcntl(late, F_GETFL) & O_NONBLOCK)) return 13;
    return 0;
}
"""
each_engine = pytest.mark.parametrize("engine", ["ptrace", "inprocess"])


def _run(directory: Path, engine: str, device: str, *arguments: str, time: bool = True) -> tuple[int, str, str]:
    (directory / "card.py").write_text(MODEL)
    options = ["--virtual-time"] * time
    ran = pagetrap(
        directory, "run", "-q", "--engine", engine, *options, "--device", f"card.py:{device}@/dev/uio0", *arguments
    )
    return ran.returncode, ran.stdout, ran.stderr


@each_engine
@pytest.mark.parametrize("time", [False, True])
@pytest.mark.parametrize("how", [(), ("poll",)])
def test_a_driver_waits_until_the_model_interrupts(
    tmp_path: Path, engine: str, time: bool, how: tuple[str, ...]
) -> None:
    """read and poll block until a timer of the model raises the line: with virtual time and with the host's."""
    ran = _run(tmp_path, engine, "Card", program(LOOP), *how, time=time)
    assert ran == (0, "3 interrupts\n", "")


@each_engine
def test_counts_masks_and_errors_are_those_of_uio(tmp_path: Path, engine: str) -> None:
    """Sizes, O_NONBLOCK, a count for each open, masks: as uio_read, uio_write and uio_open of drivers/uio/uio.c."""
    assert _run(tmp_path, engine, "Edges", program(DETAILS)) == (0, "", "")


def test_a_device_without_a_line_is_a_file_of_registers(tmp_path: Path) -> None:
    """As before: a read of /dev/uioN is one of the device's registers, where it has no interrupt."""

    class Plain(Device):
        data = register(0x00, reset=0x1234)

    tracer = Tracer()
    tracer.map_file("/dev/uio0", Plain(), length=0x1000)
    body = 'int main(void) { uint32_t x; return read(open("/dev/uio0", O_RDWR), &x, 4) != 4 || x != 0x1234; }'
    assert run(tracer, program(body)).status == 0


def test_the_line_is_irq_or_the_only_one() -> None:
    """One line is the interrupt, whatever its name; of several it is that called irq, and none is an error."""

    class One(Device):
        done = line()

    class Two(Device):
        irq = line()
        error = line()

    class Unclear(Device):
        rx = line()
        tx = line()

    one, two = One(), Two()
    assert line_of(one) is one.done
    assert line_of(two) is two.irq
    assert line_of(object()) is None
    assert isinstance(two.irq, Line)
    with pytest.raises(UioError, match="there are the lines rx, tx: call that one irq"):
        Tracer().map_file("/dev/uio0", Unclear(), length=0x1000)
