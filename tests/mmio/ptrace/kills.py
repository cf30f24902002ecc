"""Kill the tracer of a running program with SIGKILL at chosen moments, and see what the program has done in the end.

    python -m tests.mmio.ptrace.kills random 200
    python -m tests.mmio.ptrace.kills chosen 3:0.25 17:0.5

The first kills a tracer 200 times at random moments, over a program that counts in ordinary memory and in a traced
mapping, and prints how often the two counters were equal afterwards, how often the traced one was one too high, and how
often they differed otherwise. The second kills it in operation 3 after a quarter of the work of its last access, and so
on, and prints the operations that have ended otherwise than natively.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from mmap import mmap
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, NoReturn

from mmio.ptrace import Tracer, faults
from mmio.ptrace.thread import Thread
from tests.mmio.ptrace.programs import device_file, program

CF: Final = 0x001
LOGIC: Final = 0x8C5
"""The flags but AF, which logic leaves undefined."""
ALL: Final = 0x8D5


class Operation(NamedTuple):
    """An instruction on traced memory at rdi and rsi, and the flags it defines."""

    text: str
    flags: int = 0


_ARITHMETIC: Final = (
    "inc{}",
    "dec{}",
    "neg{}",
    "add{} %{a},",
    "adc{} %{a},",
    "sub{} %{a},",
    "sbb{} $3,",
    "xadd{} %{a},",
)
_LOGIC: Final = ("xor{} %{a},", "or{} %{a},", "and{} $0x55,", "shl{}", "rcr{}")
_REGISTERS: Final = {"b": "al", "w": "ax", "l": "eax", "q": "rax"}


def _forms(texts: tuple[str, ...], flags: int) -> list[Operation]:
    return [
        Operation(f"{text.format(suffix, a=register)} (%rdi)", flags)
        for text in texts
        for suffix, register in _REGISTERS.items()
    ]


OPERATIONS: Final = [
    *_forms(_ARITHMETIC, ALL),
    *_forms(_LOGIC, LOGIC),
    *_forms(("not{}", "xchg{} %{a},", "mov{} %{a},", "mov{} $0x77,"), 0),
    *[Operation(f"lock; {text} (%rdi)", ALL) for text in ("incl", "decq", "addq %rcx,", "xaddq %rdx,", "sbbw %dx,")],
    *[Operation(f"lock; {text} (%rdi)", ALL) for text in ("cmpxchgq %rcx,", "cmpxchgl %ecx,")],
    *[Operation(text, CF) for text in ("btcq %rdx, (%rdi)", "lock; btsl $3, (%rdi)", "btrw $5, (%rdi)")],
    *[Operation(text, LOGIC) for text in ("shldq $1, %rcx, (%rdi)", "shrdl $1, %edx, (%rdi)")],
    # The address, or what it is computed from, is changed by the instruction.
    *[Operation(text, ALL) for text in ("xaddq %rdi, (%rdi)", "xaddl %edi, 8(%rdi)")],
    *[
        Operation(text)
        for text in ("xchgq %rdi, (%rdi)", "movq (%rdi), %rdi", "movzbl (%rdi), %edi", "xchgw %si, (%rdi)")
    ],
    *[Operation(text) for text in ("movsq", "movsb", "stosl", "stosq", "lodsw")],
    *[Operation(text) for text in ("pushq (%rdi); popq %rax", "pushq %rcx; popq 8(%rdi)")],
    *[Operation(text, ALL) for text in ("addq (%rdi), %rax", "cmpsb", "scasl", "cmpq %rcx, (%rdi)")],
    *[Operation(text, 0x40) for text in ("cmpxchg8b (%rdi)", "lock; cmpxchg16b (%rdi)")],
    *[Operation(text) for text in ("sete (%rdi)", "cmovcq (%rdi), %rcx", "movnti %rax, (%rdi)")],
    # Vector state: a load emulated, one executed natively, and a store.
    *[
        Operation(f"{text}; movq %xmm0, %rax; psrldq $8, %xmm0; movq %xmm0, %rdx")
        for text in ("movups (%rdi), %xmm0", "movhps (%rdi), %xmm0", "pxor %xmm0, %xmm0; paddd (%rdi), %xmm0")
    ],
    Operation("movq %rax, %xmm0; movq %xmm0, (%rdi)"),
    Operation("fxsave (%rdi)"),  # a store that is executed natively
    Operation("movl $24, %ecx; rep; movsb"),
    Operation("movl $5, %ecx; rep; stosq"),
]

_SOURCE: Final = r"""
static uint64_t registers[6];
static uint64_t perform(int number, volatile uint8_t *p) {
    uint64_t a = 0x1122334455667788, b = 0x99, c = 0x8070605040302010, d = 0xf1;
    uint64_t D = (uint64_t)p, S = (uint64_t)p + 64, flags;
    switch (number) {
CASES
    }
    uint64_t found[6] = {a, b, c, d, D - (uint64_t)p, S - (uint64_t)p};
    memcpy(registers, found, sizeof found);
    return flags;
}
int main(int argc, char **argv) {
    uint8_t start[128], bytes[128];
    for (int i = 0; i < 128; i++) start[i] = 0x81 + 37 * i;
    volatile uint8_t *p = (void *)map(argv[1], PROT_READ | PROT_WRITE);
    int fd = open(argv[1], O_RDWR);
    printf("ready\n");
    fflush(stdout);
    unsigned char number;
    while (read(0, &number, 1) == 1) {
        pwrite(fd, start, sizeof start, 0);
        uint64_t flags = perform(number, p);
        pread(fd, bytes, sizeof bytes, 0);
        for (int i = 0; i < 128; i++) printf("%02x", bytes[i]);
        for (int i = 0; i < 6; i++) printf(" %lx", registers[i]);
        printf(" %lx\n", flags);
        fflush(stdout);
    }
    return 0;
}
"""


def _case(number: int, operation: Operation) -> str:
    text = operation.text.replace("%", "%%")
    code = f"push %[cleared]; popfq; {text}; pushfq; pop %[flags]"
    outputs = '"+a"(a), "+b"(b), "+c"(c), "+d"(d), "+D"(D), "+S"(S), [flags] "=&r"(flags)'
    inputs = '[cleared] "r"((uint64_t)0x203) : "memory", "cc", "xmm0"'
    return f'case {number}: __asm__ volatile("{code}" : {outputs} : {inputs}); flags &= {operation.flags:#x}; break;'


def target() -> str:
    """Return the path of a program that performs the operations whose numbers it reads, and prints what came of it."""
    cases = "\n".join(_case(number, operation) for number, operation in enumerate(OPERATIONS))
    return program(_SOURCE.replace("CASES", cases), "-mno-red-zone")


class Killed:
    """A program that performs operations, each under a tracer of its own, which is killed in the middle."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._process = subprocess.Popen(
            [target(), self._path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lengths: dict[int, int] = {}
        self._line()

    def close(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.communicate()

    def natively(self, operation: int) -> str:
        """Return what an operation does when nothing traces it."""
        return self._perform(operation)

    def killed(self, operation: int, moment: float) -> str:
        """Return what an operation has done in the end when its tracer is killed.

        Args:
            operation: its index.
            moment: when, between 0 (the access is known) and 1 (the thread continues), counted in bytecodes.
        """
        if operation not in self._lengths:
            self._lengths[operation] = self._under_tracer(operation, None)[1]
        return self._under_tracer(operation, int(moment * self._lengths[operation]))[0]

    def _under_tracer(self, operation: int, moment: int | None) -> tuple[str, int]:
        """Perform an operation under a tracer; return what it did, and the bytecodes from its last access on."""
        readable, writable = os.pipe()
        armed = mmap(-1, 1)
        tracer = os.fork()
        if not tracer:
            os.close(readable)
            _trace(self._path, self._process.pid, writable, armed, moment)
        os.close(writable)
        with open(readable) as said:
            if said.readline() != "attached\n":
                raise RuntimeError("the tracer did not attach")
            self._perform(operation)  # compiles the instruction
            armed[0] = 1
            found = self._perform(operation)
            os.kill(tracer, signal.SIGKILL)
            os.waitpid(tracer, 0)
            counts = said.readlines()
        self._perform(0)  # gives the mapping back, where the tracer was killed later than the access
        return found, int(counts[-1]) if counts else 0

    def _perform(self, operation: int) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(chr(operation))
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the program ended with {self._process.wait()}")
        return line


def _trace(path: str, pid: int, output: int, armed: mmap, moment: int | None) -> NoReturn:
    """Trace a program until killed, at the latest by itself so many bytecodes after an access has begun."""
    count = 0
    answer, step = faults.answer, sys.settrace

    def counted(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        if event == "opcode":
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
        return counted

    def counting(thread: Any) -> int:
        nonlocal count
        if not armed[0]:
            return answer(thread)
        count = 0
        frame = sys._getframe(1)
        frame.f_trace, frame.f_trace_opcodes = counted, True
        step(counted)
        return answer(thread)

    resume = Thread.resume

    def resuming(thread: Any, number: int = 0) -> None:
        resume(thread, number)
        if sys.gettrace() is not None:
            step(None)
            os.write(output, b"%d\n" % count)

    try:
        tracer = Tracer()
        tracer.map_file(path)
        tracer.attach(pid)
        faults.answer = counting
        Thread.resume = resuming  # type: ignore[assignment, method-assign]
        os.write(output, b"attached\n")
        tracer.run()
    finally:
        os._exit(1)


_COUNTER: Final = r"""
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE), *control = map(argv[2], PROT_READ | PROT_WRITE);
    printf("ready\n");
    fflush(stdout);
    while (!control[0]) {
        __asm__ volatile("incl (%0)" : : "r"(p) : "memory", "cc");
        control[1]++;
    }
    return p[0] == control[1] ? 0 : p[0] == control[1] + 1 ? 1 : 2;
}
"""


def at_random(kills: int, directory: Path, pause: Callable[[], float]) -> dict[int, int]:
    """Kill tracers at random moments; return how often the counter was right (0), one too high (1), or else wrong."""
    outcomes = {0: 0, 1: 0, 2: 0}
    path = device_file(directory)
    for _ in range(kills):
        path.write_bytes(bytes(4096))
        control = directory / "control"
        control.write_bytes(bytes(4096))
        with subprocess.Popen([program(_COUNTER), path, control], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            readable, writable = os.pipe()
            tracer = os.fork()
            if not tracer:
                _trace_plainly(str(path), process.pid, writable)
            os.close(writable)
            os.read(readable, 1)
            os.close(readable)
            time.sleep(pause())
            os.kill(tracer, signal.SIGKILL)
            os.waitpid(tracer, 0)
            with control.open("r+b") as file:
                file.write(b"\1")
            outcomes[process.wait()] += 1
    return outcomes


def _trace_plainly(path: str, pid: int, output: int) -> NoReturn:
    try:
        tracer = Tracer()
        tracer.map_file(path)
        tracer.attach(pid)
        os.write(output, b"!")
        tracer.run()
    finally:
        os._exit(1)


def chosen(cases: Iterable[tuple[int, float]], directory: Path) -> Iterator[str]:
    """Kill tracers in operations, each at a moment (see `Killed.killed`); say which ended otherwise than natively."""
    killed = Killed(device_file(directory))
    try:
        for operation, moment in cases:
            natively, found = killed.natively(operation), killed.killed(operation, moment)
            if found != natively:
                yield f"{OPERATIONS[operation].text}, killed at {moment}: {found.strip()}, natively {natively.strip()}"
    finally:
        killed.close()


def main(kind: str, *arguments: str) -> None:
    """Do what the arguments say."""
    with tempfile.TemporaryDirectory() as place:
        if kind == "random":
            print(at_random(int(arguments[0]), Path(place), lambda: random.uniform(0.01, 0.03)))
        else:
            cases = [argument.split(":") for argument in arguments]
            for line in chosen([(int(operation), float(moment)) for operation, moment in cases], Path(place)):
                print(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
