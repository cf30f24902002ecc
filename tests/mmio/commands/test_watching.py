"""`pagetrap trace`, `attach` and `run`, as a user starts them, on programs Debian ships and some of our own."""

import os
import pty
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from errno import ENOSYS, EPERM
from pathlib import Path
from typing import Any

import pytest

from mmio import open_trace
from mmio.commands.main import main
from mmio.commands.polls import FIRST
from mmio.linux import io_ports
from mmio.ptrace import Tracer
from tests.mmio.commands.process import COMMAND, ENVIRONMENT, pagetrap
from tests.mmio.ptrace.granting import Granting
from tests.mmio.ptrace.models import Recording, pattern
from tests.mmio.ptrace.programs import program
from tests.native import run_python
from tests.needs import need

MODEL = """
class Port:
    def read(self, offset, width):
        return 0x5A

    def write(self, offset, width, value):
        pass


class Broken(Port):
    def read(self, offset, width):
        raise ValueError("the model broke")


class Broken2(Port):
    def read(self, offset, width):
        raise RuntimeError("the model broke")


class Exits(Port):
    def read(self, offset, width):
        raise SystemExit("the model broke")


class Wide(Port):
    def read(self, offset, width):
        return 1 << 8 * width
"""

# Maps a file, says so, and reads register 1 until it is asked to stop; a second argument makes it deaf to SIGINT.
LOOP = r"""
static volatile int asked;
static void ask(int number) { asked = number; }
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    signal(SIGTERM, ask);
    signal(SIGINT, argc > 2 ? SIG_IGN : ask);
    p[0] = 1;
    write(1, "ready\n", 6);
    while (!asked) p[1];
    p[2] = asked;
    return 7;
}
"""
POLL = r"""
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    for (long i = atol(argv[2]); i; i--) p[1];
    p[2] = 9;
    return 3;
}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a device model and a file of registers."""
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "regs.bin").write_bytes(bytes(range(256)) * 32)
    (tmp_path / "data").write_bytes(bytes(16))
    (tmp_path / "data").chmod(0o755)
    (tmp_path / "card.txt").write_text("no program")
    (tmp_path / "lost").write_text("#!/no/such/interpreter\n")
    (tmp_path / "lost").chmod(0o755)
    return tmp_path


def memtool(*arguments: str) -> list[str]:
    """Return a command of memtool's, after a need for it."""
    need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    return ["memtool", *arguments]


def inb(port: int) -> list[str]:
    """Return a command that reads a port, after a need for it."""
    need(shutil.which("inb"), "inb (apt-get install ioport)")
    return ["inb", f"{port:#x}"]


@contextmanager
def started(directory: Path, *arguments: str, **settings: Any) -> Iterator["subprocess.Popen[str]"]:
    """`pagetrap` in a session without a terminal, from when the program it runs has said that it is ready."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=directory,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **settings,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(("option", "width"), [("-b", 1), ("-w", 2), ("-l", 4), ("-q", 8)])
def test_trace_shows_the_width_of_every_access(here: Path, option: str, width: int) -> None:
    """memtool reads with the width it was asked for; the trace, the summary and the exit status say so."""
    command = memtool("md", "-s", "regs.bin", option, "0x10+0x10")
    done = pagetrap(here, "trace", "--map", "*/regs.bin", "-o", "run.jsonl", "--live", "--", *command)
    assert done.returncode == 0
    assert done.stdout.startswith("00000010:")
    accesses = open_trace(here / "run.jsonl").load()
    assert "memtool+0x" in str(accesses.summary())
    assert [access.offset for access in accesses] == list(range(0x10, 0x20, width))
    assert {(access.width, access.value) for access in accesses if access.offset == 0x10} == {
        (width, int.from_bytes(bytes(range(0x10, 0x10 + width)), "little"))
    }
    assert done.stderr.count("regs.bin+0x") == 2 * (0x10 // width)  # live, and in the summary
    assert done.stderr.count("memtool+0x") >= 2 * (0x10 // width)  # code has a name, after the end as well


def test_run_answers_a_port(here: Path) -> None:
    """A program that reads a port gets what the model says."""
    done = pagetrap(here, "run", "-q", "--device", "model.py:Port@ports:0x378+3", *inb(0x379))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{0x5A}\n", "")


@pytest.mark.parametrize(
    ("name", "kind"), [("Broken", "ValueError"), ("Broken2", "RuntimeError"), ("Exits", "SystemExit")]
)
def test_a_model_that_raises_is_shown(here: Path, name: str, kind: str) -> None:
    """Its author gets the traceback from the model on, whatever is raised, and what was recorded is kept."""
    done = pagetrap(here, "run", "-o", "run.jsonl", "--device", f"model.py:{name}@ports:0x378+3", "--", *inb(0x379))
    assert done.returncode == 125
    _, failed, *shown = done.stderr.splitlines()
    assert failed == "pagetrap: a device model failed, and the program was ended"
    assert shown[:2] == [
        "Traceback (most recent call last):",
        f'  File "{here}/model.py", line {shown[1].split()[3][:-1]}, in read',
    ]
    assert shown[-1] == f"{kind}: the model broke"
    assert list(open_trace(here / "run.jsonl").load()) == []


def test_a_model_that_answers_nonsense_is_told(here: Path) -> None:
    """The error names the device, the access and the instruction."""
    done = pagetrap(here, "run", "--device", "model.py:Wide@ports:0x378+3", *inb(0x379))
    assert done.returncode == 125
    (line,) = [line for line in done.stderr.splitlines() if "answered 256" in line]
    assert "'Wide' offset 0x1" in line
    assert "in al,dx" in line


def test_the_exit_status_is_the_program_s(here: Path) -> None:
    """A signal that ends the program ends pagetrap, so that its parent sees the same."""
    assert pagetrap(here, "trace", "--map", "*/regs.bin", "sh", "-c", "exit 7").returncode == 7
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        done = pagetrap(here, "trace", "-q", "--map", "regs.bin", "sh", "-c", f"kill -{int(number)} $$")
        assert done.returncode == -number
    assert not list(here.glob("core*"))


def test_the_core_file_is_the_programs() -> None:
    """When pagetrap ends by the program's signal it dumps no core of its own over that of the program."""
    code = """
import os, resource, signal
from mmio.commands.exits import die
resource.getrlimit = lambda what: (7, 9)
resource.setrlimit = lambda what, limits: print(what == resource.RLIMIT_CORE, *limits)
os.kill = lambda process, number: print(process == os.getpid(), number)
print(die(signal.SIGABRT))
"""
    assert run_python(code).stdout.split() == ["True", "0", "9", "True", "6", "134"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("trace --map x -- no-such-program", 127, "no-such-program: no such program"),
        ("trace --map x -- ./data", 126, "Exec format error"),
        ("trace --map x -- /", 126, "/: it is a directory, expected a program"),
        ("trace --map x -- ./card.txt", 126, "./card.txt: it may not be executed: chmod +x"),
        ("trace --map x -- ./lost", 127, "the file is there, but not the interpreter that it names"),
        ("trace --map x --engine=inprocess -- /", 126, "/: it is a directory, expected a program"),
        ("trace --map x --engine=inprocess -- ./card.txt", 126, "./card.txt: it may not be executed: chmod +x"),
        ("trace --map x --engine=inprocess -- ./lost", 127, "/no/such/interpreter: No such file or directory"),
        ("trace --map x -o run.xyz -- true", 125, "run.xyz: no trace format has this suffix"),
        (
            "trace --map x -o no/run.jsonl -- true",
            125,
            "no/run.jsonl: No such file or directory; there is no folder no: create it first",
        ),
        ("trace --map x -o /dev/full --format jsonlines -- true", 125, "No space left on device"),
        ("trace --map x -- true", 0, "the program used nothing that matches file 'x'"),
        ("trace --map x -- true", 0, "a pattern is for a whole path, as '*/uio0' is; strace -f -e openat,mmap shows"),
        ("attach -p 4194304 --map x", 125, "there is no process 4194304"),
        ("run --device no.py:Port@/dev/uio0 -- true", 125, "no.py: no such file"),
        ("run --device model.py:Prt@/dev/uio0 -- true", 125, "model.py has no class 'Prt'; did you mean Port?"),
        ("run --device model.py:Port@ports:1+x -- true", 2, "the count of ports: expected a number"),
    ],
)
def test_mistakes_are_met_with_a_line(here: Path, arguments: str, status: int, message: str) -> None:
    """What went wrong, and what was expected; never a traceback."""
    done = pagetrap(here, *arguments.split())
    assert (done.returncode, "Traceback" in done.stderr) == (status, False)
    assert message in done.stderr


def test_a_trace_is_not_lost_to_a_typing_error(here: Path) -> None:
    """A file is emptied only when the program is there; and a program does not begin when the file is not."""
    (here / "run.jsonl").write_text("precious")
    assert pagetrap(here, "trace", "--map", "x", "-o", "run.jsonl", "no-such-program").returncode == 127
    assert pagetrap(here, "run", "--device", "no.py:A@x", "-o", "run.jsonl", "true").returncode == 125
    assert (here / "run.jsonl").read_text() == "precious"
    assert pagetrap(here, "trace", "--map", "x", "-o", "no/run.jsonl", "touch", "begun").returncode == 125
    assert not (here / "begun").exists()


def test_a_full_disk_does_not_end_the_program(here: Path) -> None:
    """It runs on to its end; that the trace is incomplete is said, and is the exit status."""
    poll = program(POLL)
    line = f"ulimit -f 8; exec {' '.join(COMMAND)} trace --map '*/regs.bin' -o run.jsonl {poll} regs.bin 500"
    done = subprocess.run(
        ["bash", "-c", line], cwd=here, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 125
    assert done.stderr.count("run.jsonl: cannot write the trace any further: File too large: it ends after ") == 1
    assert re.search(r"regs\.bin\+0x4 +500 ", done.stderr)
    kept = list(open_trace(here / "run.jsonl"))
    assert 10 < len(kept) < 500
    assert (here / "regs.bin").read_bytes()[8:12] == bytes([9, 0, 0, 0])


def test_what_is_shown_can_be_chosen(here: Path) -> None:
    """A choice holds for live lines, the file and the summary."""
    poll = [program(POLL), "regs.bin", "3"]
    choose = ["trace", "--map", "*/regs.bin", "-o", "run.jsonl", "--live"]
    done = pagetrap(here, *choose, "--only", "+0x4", "--reads", "--width", "4", *poll)
    assert [access.offset for access in open_trace(here / "run.jsonl")] == [4] * 3
    assert done.stderr.count("regs.bin+0x4") == 4
    assert "regs.bin+0x8" not in done.stderr
    done = pagetrap(here, *choose, "--writes", "--ip", "main", *poll)
    assert [access.offset for access in open_trace(here / "run.jsonl")] == [8]
    done = pagetrap(here, *choose, "--ip", "libc.so.6", *poll)
    assert done.stderr == "pagetrap: none of 4 accesses matches the selection\n"


def test_polling_for_ever_is_reported(here: Path) -> None:
    """While it lasts, with register, value, count and function, and at the end; folded live lines are few."""
    poll = [program(POLL), "/dev/nothing", str(FIRST + 5)]
    done = pagetrap(here, "run", "--live", "--fold", "--device", "model.py:Port@/dev/nothing:0x0+0x10", *poll)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    polled = [line for line in lines if line.startswith("pagetrap: ")]
    assert [re.sub(r"main\+\S+ \(\S+\)", "MAIN", line) for line in polled] == [
        "pagetrap: Port+0x4 is polled: 0x0000005a each of 10,000 times so far, at MAIN; the program may wait for ever",
        "pagetrap: Port+0x4 was polled: 0x0000005a each of 10,005 times, at MAIN",
    ]
    live = [line for line in lines if re.match(r" *\d+\.\d{6}  ", line)]
    assert [re.search(r"[\d,]+ more|$", line)[0] for line in live] == [  # type: ignore[index]
        *["", "", "10 more", "100 more", "1,000 more", "10,000 more", "10,003 more", ""]
    ]


def test_the_first_interrupt_is_the_programs(here: Path) -> None:
    """After one Ctrl-C the program ends as it likes, and then pagetrap by SIGINT; the trace is whole and summed up."""
    with started(here, "trace", "--map", "*/regs.bin", "-o", "run.jsonl", program(LOOP), "regs.bin") as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
    assert re.search(r"regs\.bin\+0x8 +0 +1 ", err)
    assert err.endswith("pagetrap: interrupted\n")
    *_, last = open_trace(here / "run.jsonl")
    assert (last.offset, last.value) == (8, signal.SIGINT)


def test_the_second_interrupt_ends_it(here: Path) -> None:
    """A program that does not listen is killed by the second Ctrl-C; the trace is kept and summed up."""
    arguments = ["trace", "--map", "*/regs.bin", "-o", "run.jsonl", "--live", program(LOOP), "regs.bin", "deaf"]
    with started(here, *arguments) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        for _ in range(200):  # it continues
            assert "regs.bin+0x" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGINT
    assert "ips, most frequent first" in err
    assert err.endswith("pagetrap: interrupted\n")
    assert [access.offset for access in open_trace(here / "run.jsonl")][:2] == [0, 4]


def test_being_told_to_end(here: Path) -> None:
    """SIGTERM is passed on; what was recorded is written and summed up before it has its effect on pagetrap."""
    arguments = ["trace", "--map", "*/regs.bin", "-o", "run.json", program(LOOP), "regs.bin"]
    with started(here, *arguments) as process:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGTERM
    assert re.search(r"regs\.bin\+0x8 +0 +1 ", err)
    assert (here / "run.json").read_text().rstrip().endswith("]")  # the end of a Perfetto file, written at the end


@pytest.fixture
def running(here: Path) -> Iterator["subprocess.Popen[str]"]:
    """A program that reads a mapped register without end."""
    with subprocess.Popen([program(LOOP), "regs.bin"], cwd=here, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def attached(here: Path, *arguments: str) -> "subprocess.Popen[str]":
    """`pagetrap attach`, from its first live line on."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--live"],
        cwd=here, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "regs.bin+0x4" in process.stderr.readline()
    return process


def test_attach_until_the_end(here: Path, running: "subprocess.Popen[str]") -> None:
    """A process that ends while it is traced is no trouble: status 0, and a summary with what it did last."""
    with attached(here, "attach", "-p", str(running.pid), "--map", "*/regs.bin") as tracer:
        running.terminate()
        _, err = tracer.communicate(timeout=60)
        assert tracer.returncode == 0
    assert running.wait(60) == 7
    assert re.search(r"regs\.bin\+0x8 +0 +1 ", err)


def test_attach_to_several(here: Path) -> None:
    """Each is traced in all its threads, and their code has names."""
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen([program(LOOP), "regs.bin"], cwd=here, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        for process in both:
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        arguments = ["attach", *(f"-p{process.pid}" for process in both), "--map", "*/regs.bin", "-o", "run.jsonl"]
        with attached(here, *arguments) as tracer:
            for process in both:
                process.terminate()
            _, err = tracer.communicate(timeout=60)
            assert tracer.returncode == 0
    ends = [access for access in open_trace(here / "run.jsonl") if access.offset == 8]
    assert {access.thread for access in ends} == {process.pid for process in both}
    assert len(re.findall(r"main\+0x", err)) >= 4


def test_attach_until_an_interrupt(here: Path, running: "subprocess.Popen[str]") -> None:
    """Ctrl-C releases the process, which runs on."""
    with attached(here, "attach", "-p", str(running.pid), "--map", "*/regs.bin") as tracer:
        tracer.send_signal(signal.SIGINT)
        _, err = tracer.communicate(timeout=60)
        assert tracer.returncode == -signal.SIGINT
    assert "ips, most frequent first" in err
    assert running.poll() is None
    assert "TracerPid:\t0" in Path(f"/proc/{running.pid}/status").read_text()
    running.terminate()
    assert running.wait(60) == 7


def test_a_refused_tracer_says_what_it_takes(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who may not trace is told what it takes, in a container too."""

    def refuse(tracer: Tracer, pid: int) -> None:
        raise PermissionError(EPERM, "not permitted to trace process 1: it takes CAP_SYS_PTRACE")

    monkeypatch.setattr(Tracer, "attach", refuse)
    assert main(["attach", "-p", "1", "--map", "x"]) == 125
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pagetrap: not permitted to trace process 1: it takes CAP_SYS_PTRACE; in a container ")


def test_trace_with_ports_performs_and_shows_the_access(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """trace --ports works them and shows the access, FIRST-LAST and FIRST+COUNT being the same."""
    need(shutil.which("inw"), "inw (apt-get install ioport)")
    kernel = Granting(monkeypatch)
    for ports in ("0x302-0x303", "0x302+2"):
        with kernel.machine(Recording()):
            assert main(["trace", "--live", "-q", "--ports", "0x308", "--ports", ports, "--", "inw", "0x302"]) == 0
        out, err = capfd.readouterr()
        assert int(out) == pattern(2, 2)
        live = re.search(r" R +2 +port 0x302 +ports\+0x302 +0x0302 .* in ax,dx$", err, re.MULTILINE)
        assert live, err
        assert "the program used nothing that matches" not in err
    assert kernel.taken == [(0x308, 1), (0x302, 2)] * 2


@pytest.mark.parametrize(
    ("number", "reason"),
    [(EPERM, "that takes root with the capability SYS_RAWIO"), (ENOSYS, "this kernel lets no program do that")],
)
def test_real_ports_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, reason: str
) -> None:
    """Who may not reach them is told why, and no program is started."""

    def refuse(port: int, count: int, allowed: bool) -> None:
        raise OSError(number, "ioperm")

    monkeypatch.setattr(io_ports, "permit", refuse)
    assert main(["trace", "--ports", "0x70-0x71", "--", "no-such-program"]) == 125
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pagetrap: IO ports 0x70..0x72 of this machine cannot be reached: {reason}")
    assert line.endswith("pagetrap run --device FILE.py:CLASS@ports:0x70+2")


def test_real_ports_without_rights(here: Path) -> None:
    """The kernel itself refuses them to who is not root."""
    need(os.geteuid() == 0 and shutil.which("setpriv"), "root, and setpriv (apt-get install util-linux)")
    rights = ["setpriv", "--bounding-set=-sys_rawio", "--inh-caps=-sys_rawio"]
    done = subprocess.run(
        [*rights, *COMMAND, "trace", "--ports", "0x70-0x71", "--", "true"],
        capture_output=True,
        text=True,
        cwd=here,
        env=ENVIRONMENT,
        check=False,
        timeout=100,
    )
    assert done.returncode == 125
    assert done.stderr.startswith("pagetrap: IO ports 0x70..0x72 of this machine cannot be reached: th")


def test_a_terminal_gets_colours(here: Path) -> None:
    """On a terminal live lines are coloured, unless NO_COLOR is set."""
    command = [*COMMAND, "trace", "-q", "--live", "--map", "*/regs.bin", program(POLL), "regs.bin", "1"]
    for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        try:
            inherited = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"}
            subprocess.run(command, cwd=here, env=inherited | environment, stderr=theirs, check=False, timeout=100)
            text = os.read(ours, 1 << 16).decode()
        finally:
            os.close(ours)
            os.close(theirs)
        assert ("\x1b[" in text) == coloured
        assert "…egs.bin+0x4" in text  # the terminal has 80 columns
