"""Children of a program are served their devices, whichever engine runs it."""

import signal
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.mmio.hosted import trees
from tests.mmio.hosted.engines import ENGINES, Run, pagetrap
from tests.mmio.hosted.trees import COUNTERS, Tree, text_of
from tests.mmio.program.scripts import LAW
from tests.mmio.ptrace.programs import device_file, need_program, program

both = pytest.mark.parametrize("engine", ENGINES)


def tickets(engine: str, directory: Path, *command: str) -> Run:
    """Run a command with the counters of `trees` at a file and at ports."""
    (directory / "tickets.py").write_text(trees.MODEL)
    places = ["--device", "tickets.py:tickets@/nowhere", "--device", "tickets.py:tickets@ports:0x80+16"]
    return pagetrap(engine, directory, "run", places, [*command])


@both
@settings(LAW, max_examples=8)
@given(tree=trees.trees)
def test_a_tree_of_processes_is_served_as_one_program(
    engine: str, tmp_path_factory: pytest.TempPathFactory, tree: Tree
) -> None:
    """A tree of processes ends as natively, each access of each process is made once, on one device, and recorded."""
    directory = tmp_path_factory.mktemp("tree")
    binary, text = program(trees.SOURCE), text_of(tree)
    device_file(directory)
    native = subprocess.run([binary, directory / "device", text], capture_output=True, timeout=60, check=False)
    run = tickets(engine, directory, "env", "PORTS=1", binary, "/nowhere", text)
    assert (run.status, run.output) == (native.returncode, ""), (text, run.complaints)
    expected = trees.done(tree)
    found: defaultdict[tuple[str, int | None], list[tuple[int | None, int]]] = defaultdict(list)
    for access in run.accesses:
        found[access.space, access.offset].append((access.old, access.value))
    for letter, place in COUNTERS.items():
        assert found[place] == [(None, number + 1) for number in range(expected[letter])], (text, letter)
    assert found["memory", 8] == [(number, number + 1) for number in range(expected["a"])], text


@both
@pytest.mark.parametrize(
    ("shell", "status", "reads"),
    [
        ("timeout 60 {tree} /nowhere cc", 0, 2),
        ("{tree} /nowhere cr | cat; {tree} /nowhere c", 0, 3),
        ("({tree} /nowhere c & {tree} /nowhere 'F(c)W' & wait)", 0, 2),
        ("setsid {tree} /nowhere c; exit 5", 5, 1),
        ("x=$({tree} /nowhere c; echo $?); exit $((x + 3))", 3, 1),
        ("timeout -s KILL 60 {tree} /nowhere 'F(cT)W'; exit $?", signal.SIGTERM, 1),
    ],
)
def test_programs_that_others_start(tmp_path: Path, engine: str, shell: str, status: int, reads: int) -> None:
    """What starts the program in a child (timeout, a pipeline, a shell's job, setsid) makes no difference."""
    run = tickets(engine, tmp_path, "sh", "-c", shell.format(tree=program(trees.SOURCE)))
    assert (run.status, run.output, len(run.accesses)) == (status, "", reads), run.complaints


@both
def test_a_daemon_is_served_after_its_parents_end(tmp_path: Path, engine: str) -> None:
    """A daemon has init's number for its parent, sees its parent's pipe end, and its accesses are recorded."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        int ends[2];
        char c;
        if (pipe2(ends, O_CLOEXEC)) return 1;
        pid_t first = getpid();
        if (fork()) return 6;
        close(ends[1]);
        setsid();
        if (fork()) _exit(0);
        while (read(ends[0], &c, 1)) ;
        while (getppid() != 1 && getppid() == first) ;
        printf("%d", p[0]);
        return 9;
    }"""
    (tmp_path / "tickets.py").write_text(trees.MODEL)
    run = pagetrap(engine, tmp_path, "run", ["--device", "tickets.py:tickets@/nowhere"], [program(source), "/nowhere"])
    assert (run.status, run.output, [a.value for a in run.accesses]) == (6, "1", [1]), run.complaints


@both
def test_many_children_at_once(tmp_path: Path, engine: str) -> None:
    """Children that all live at the same time have their accesses all the same."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        int ends[2], sum = 0, status;
        char c;
        if (pipe(ends)) return 1;
        for (int i = 0; i < 120; i++) {
            pid_t pid = fork();
            if (pid < 0) return 2;
            if (!pid) {
                close(ends[1]);
                while (read(ends[0], &c, 1)) ;
                _exit(!p[0]);
            }
        }
        close(ends[0]), close(ends[1]);
        while (wait(&status) > 0) sum += status == 0;
        return sum;
    }"""
    run = tickets(engine, tmp_path, program(source), "/nowhere")
    assert (run.status, [a.value for a in run.accesses]) == (120, [*range(1, 121)]), run.complaints


@both
def test_a_child_that_wants_to_end_with_its_parent_does(tmp_path: Path, engine: str) -> None:
    """PR_SET_PDEATHSIG means the program's end, not pagetrap's."""
    source = r"""
    #include <sys/prctl.h>
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        int ends[2];
        char c;
        if (pipe(ends)) return 1;
        if (!fork()) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            p[2] = 1;
            if (write(ends[1], "x", 1) != 1) return 2;
            while (1) pause();
        }
        if (read(ends[0], &c, 1) != 1) return 3;
        return 4;
    }"""
    run = tickets(engine, tmp_path, program(source), "/nowhere")
    assert (run.status, len(run.accesses)) == (4, 1), run.complaints


def test_a_signal_to_pagetrap_is_for_what_the_program_has_left(tmp_path: Path) -> None:
    """SIGTERM is passed on to a daemon, which may still access its device; then it ends pagetrap, the trace written."""
    source = r"""
    static volatile uint32_t *p;
    static void end(int number) { (void)p[1]; _exit(0); }
    int main(int argc, char **argv) {
        pid_t first = getpid();  // which is pagetrap's
        p = map(argv[1], PROT_READ | PROT_WRITE);
        if (fork()) return 6;
        signal(SIGTERM, end);
        while (getppid() == first) ;
        (void)p[0];
        kill(first, SIGTERM);
        while (1) pause();
    }"""
    run = tickets("inprocess", tmp_path, program(source), "/nowhere")
    assert (run.status, [a.offset for a in run.accesses]) == (-signal.SIGTERM, [0, 4]), run.complaints
    assert "tickets+0x4" in run.complaints


@both
def test_a_model_that_raises_for_a_child_ends_the_run(tmp_path: Path, engine: str) -> None:
    """The model's author gets the traceback, the trace is whole, and no process of the program goes on."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        (void)p[0];
        if (!fork()) { if (!fork()) { (void)p[1]; (void)p[2]; puts("on"); fflush(stdout); } pause(); }
        pause();
    }"""
    run = pagetrap(engine, tmp_path, "run", ["--device", "models.py:Broken@/nowhere"], [program(source), "/nowhere"])
    assert (run.status, run.output, [a.offset for a in run.accesses]) == (125, "", [0, 4])
    assert "RuntimeError: out of order" in run.complaints
    assert "models.py" in run.complaints


@both
def test_a_fault_of_a_childs_own_is_its_own(tmp_path: Path, engine: str) -> None:
    """A store where a child may only read, and a port it has no right to, is a SIGSEGV of that child alone."""
    source = r"""
    #include <sys/io.h>
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ);
        int status, sum = 0;
        if (!fork()) { p[0] = 1; _exit(0); }
        if (!fork()) { (void)inb(0x300); _exit(0); }
        if (!fork()) _exit(p[0]);
        while (wait(&status) > 0)
            sum += WIFSIGNALED(status) ? 10 * (WTERMSIG(status) == SIGSEGV) : WEXITSTATUS(status);
        return sum;
    }"""
    run = tickets(engine, tmp_path, program(source), "/nowhere")
    assert (run.status, len(run.accesses)) == (21, 1), run.complaints


@both
def test_the_memory_of_a_child_stays_its_own(tmp_path: Path, engine: str) -> None:
    """Traced memory of a program's own is each process's after a fork, and what it maps later is found in each."""
    source = r"""
    int main() {
        volatile uint32_t *p = mmap((void *)0x610000000000, 8192, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        int status;
        p[0] = 3;
        if (!fork()) {
            p[0] += 1;
            munmap((void *)p, 4096);
            p[1024] = 2;
            p = mmap((void *)p, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            _exit(p[0] + p[1024]);
        }
        wait(&status);
        return 10 * p[0] + WEXITSTATUS(status);
    }"""
    run = pagetrap(engine, tmp_path, "trace", ["--range", "0x610000000000+8192"], [program(source)])
    assert run.status == 32, run.complaints
    assert [a.letter + str(a.value) for a in run.accesses] == ["W3", "R3", "W4", "W2", "R0", "R2", "R3"]


@both
def test_a_file_that_children_map_is_traced(tmp_path: Path, engine: str) -> None:
    """What a child maps by itself of a real file is recorded, and reaches the file."""
    source = r"""
    int main(int argc, char **argv) {
        int status, sum = 0;
        for (int i = 1; i < 4; i++) if (!fork()) { map(argv[1], PROT_READ | PROT_WRITE)[i] = i; _exit(i); }
        while (wait(&status) > 0) sum += WEXITSTATUS(status);
        return sum + map(argv[1], PROT_READ)[3];
    }"""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert run.status == 9, run.complaints
    assert sorted((a.letter, a.offset, a.value) for a in run.accesses) == [
        ("R", 12, 3),
        *(("W", 4 * i, i) for i in range(1, 4)),
    ]
    assert path.read_bytes()[:16] == bytes([0] * 4 + [1] + [0] * 3 + [2] + [0] * 3 + [3] + [0] * 3)


@both
def test_memory_lent_by_vfork_comes_back_written(tmp_path: Path, engine: str) -> None:
    """The parent waits, and finds what the child has written: its stack, its data, and why nothing was spawned."""
    source = r"""
    #include <spawn.h>
    extern char **environ;
    static volatile int global, threads;
    static void *idle(void *unused) { while (1) pause(); }
    int main(int argc, char **argv) {
        volatile int local = 0;
        char *words[] = {"true", 0};
        pid_t pid;
        for (int round = 0; round < 2; round++) {
            if (!(pid = vfork())) { local = 5 + round; global = 7; execv("/bin/true", words); _exit(1); }
            if (local != 5 + round || global != 7) return 1;
            if (!(pid = vfork())) { local = 8; _exit(3); }
            if (local != 8) return 2;
            if (posix_spawn(&pid, "/nowhere/at/all", 0, 0, words, environ) != ENOENT) return 3;
            pthread_t thread;
            pthread_create(&thread, 0, idle, 0);
        }
        return 4;
    }"""
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(source)])
    assert run.status == 4, run.complaints


@both
def test_instructions_of_a_childs_program_have_its_names(tmp_path: Path, engine: str) -> None:
    """What a child executes is at addresses of its own, so the trace names its functions."""
    source = r"""
    static __attribute__((noinline)) void %s(volatile uint32_t *p) { p[0] = 1; }
    int main(int argc, char **argv) {
        if (argc > 2 && !fork()) execv(argv[2], argv + 2);
        %s(map(argv[1], PROT_READ | PROT_WRITE));
        wait(0);
        return 0;
    }"""
    device_file(tmp_path)
    first, second = (program(source % (name, name)) for name in ("wolf", "elk"))
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [first, "device", second, "device"])
    assert len({a.ip for a in run.accesses}) == 2
    assert all(f"{name}+" in run.complaints for name in ("wolf", "elk")), run.complaints


def test_ways_to_make_a_process_that_are_refused(tmp_path: Path) -> None:
    """A namespace of its own, or shared descriptors, cannot be had: said before a child is made."""
    source = r"""
    #include <sys/syscall.h>
    int main(int argc, char **argv) {
        if (!syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)) _exit(0);
        puts("made");
        return 0;
    }"""
    device_file(tmp_path)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "*/device"], [program(source)])
    assert (run.status, run.output) == (125, "")
    assert "makes a process by clone with the flags 0x411: use --engine=ptrace" in run.complaints


def test_memtool_in_a_pipeline(tmp_path: Path) -> None:
    """A real tool, a stage of a pipeline that a shell makes, is followed there."""
    need_program("memtool", "memtool")
    device_file(tmp_path, bytes(range(256)) * 32)
    shell = ["sh", "-c", "timeout 60 memtool md -s device -l 0x10+8 | cat"]
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "*/device"], shell)
    assert (run.status, run.output[:9], [a.offset for a in run.accesses]) == (0, "00000010:", [0x10, 0x14])
