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
@settings(LAW, max_examples=4)
@given(tree=trees.trees)
def test_a_tree_of_processes_is_served_as_one_program(
    engine: str, tmp_path_factory: pytest.TempPathFactory, tree: Tree
) -> None:
    """A tree of processes ends as natively; each access is made once, on one device object, and recorded."""
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


# A device, and a pipe whose other end closes when all processes that have it have ended.
PIPED = r"""
static volatile uint32_t *p;
static int ends[2];
static char byte;
static void begin(char **argv) {
    p = map(argv[1], PROT_READ | PROT_WRITE);
    if (pipe2(ends, O_CLOEXEC)) exit(1);
}
static void await_end_of_others(void) {
    close(ends[1]);
    while (read(ends[0], &byte, 1)) ;
}
"""


@both
def test_a_daemon_is_served_after_its_parents_end(tmp_path: Path, engine: str) -> None:
    """A daemon gets the parent that it gets natively, sees its parent's pipe end, and its accesses are recorded."""
    source = r"""
    int main(int argc, char **argv) {
        begin(argv);
        if (fork()) return 6;
        setsid();
        pid_t middle = getpid();
        if (fork()) _exit(0);
        await_end_of_others();
        while (getppid() == middle) ;
        printf("%d %d", getppid(), p[0]);
        return 9;
    }"""
    binary = program(PIPED + source)
    native = subprocess.run([binary, device_file(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    parent, _ = native.stdout.split()
    run = tickets(engine, tmp_path, binary, "/nowhere")
    assert (run.status, run.output, [a.value for a in run.accesses]) == (6, f"{parent} 1", [1]), run.complaints


@both
def test_many_children_at_once(tmp_path: Path, engine: str) -> None:
    """Children that all live at the same time have their accesses all the same."""
    source = r"""
    int main(int argc, char **argv) {
        int sum = 0, status;
        begin(argv);
        for (int i = 0; i < 120; i++) {
            pid_t pid = fork();
            if (pid < 0) return 2;
            if (!pid) {
                await_end_of_others();
                _exit(!p[0]);
            }
        }
        close(ends[0]), close(ends[1]);
        while (wait(&status) > 0) sum += status == 0;
        return sum;
    }"""
    run = tickets(engine, tmp_path, program(PIPED + source), "/nowhere")
    assert (run.status, [a.value for a in run.accesses]) == (120, [*range(1, 121)]), run.complaints


@both
def test_a_child_that_wants_to_end_with_its_parent_does(tmp_path: Path, engine: str) -> None:
    """PR_SET_PDEATHSIG means the program's end, not pagetrap's."""
    source = r"""
    #include <sys/prctl.h>
    int main(int argc, char **argv) {
        begin(argv);
        if (!fork()) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            p[2] = 1;
            if (write(ends[1], "x", 1) != 1) return 2;
            while (1) pause();
        }
        if (read(ends[0], &byte, 1) != 1) return 3;
        return 4;
    }"""
    run = tickets(engine, tmp_path, program(PIPED + source), "/nowhere")
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
    """The model's author gets the traceback, the trace is whole, and no process of the program continues."""
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


def test_records_of_a_child_are_those_of_a_traced_one(tmp_path: Path) -> None:
    """Emulated, natively completed and indivisible accesses, and those at ports, have their flags and their thread."""
    source = r"""
    #include <sys/io.h>
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        uint32_t buffer[4] = {1, 2, 3, 4};
        void *from = (void *)p, *to = buffer;
        long count = 4;
        if (fork()) { wait(0); return 0; }
        printf("%d", getpid()), fflush(stdout);
        if (iopl(3)) return 1;
        p[2] = p[0];
        __asm__ volatile("sqrtss (%0),%%xmm0" : : "r"(p + 4) : "xmm0");
        __asm__ volatile("lock incl (%0)" : : "r"(p + 2) : "memory");
        __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(count) : : "memory");
        (void)inb(0x84);
        outw(0x1234, 0x86);
        if (read(open("/dev/zero", O_RDONLY), (void *)(p + 2), 4) != 4) return 2;
        _exit(0);
    }"""
    found = []
    for engine in ENGINES:
        (tmp_path / engine).mkdir()
        run = tickets(engine, tmp_path / engine, program(source), "/nowhere")
        assert {a.thread for a in run.accesses} == {int(run.output)}, run.complaints
        found.append(
            [(a.letter, a.space, a.offset, a.width, a.old, a.value, a.flags, str(a.instruction)) for a in run.accesses]
        )
    assert found[1] == found[0]
    assert len(found[0]) == 11


@both
def test_faults_of_a_child_are_those_of_a_native_run(tmp_path: Path, engine: str) -> None:
    """A store without the right to it and an access beyond the end of a file have signal, code and address."""
    source = r"""
    static void told(int number, siginfo_t *info, void *context) {
        printf("%d %d %d\n", number, info->si_code, (int)(uintptr_t)info->si_addr & 0x1fff);
        fflush(stdout);
        _exit(0);
    }
    int main(int argc, char **argv) {
        struct sigaction action = {.sa_sigaction = told, .sa_flags = SA_SIGINFO};
        int fd = open(argv[1], O_RDWR);
        volatile uint32_t *p = mmap((void *)0x610000000000, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        volatile uint32_t *constant = mmap((void *)0x620000000000, 8192, PROT_READ, MAP_SHARED, fd, 0);
        sigaction(SIGSEGV, &action, 0);
        sigaction(SIGBUS, &action, 0);
        for (int way = 0; way < 5; way++) {
            if (fork()) { wait(0); continue; }
            if (way == 0) (void)p[1025];
            if (way == 1) p[1026] = 1;
            if (way == 2) constant[1] = 1;
            if (way == 3) __asm__ volatile("lock incl (%0)" : : "r"(p + 1027) : "memory");
            if (way == 4) __asm__ volatile("lock incl (%0)" : : "r"(constant + 2) : "memory");
            _exit(1);
        }
        return 0;
    }"""
    device_file(tmp_path)
    native = subprocess.run([program(source), "device"], cwd=tmp_path, capture_output=True, text=True, check=True)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert (run.status, run.output) == (0, native.stdout), run.complaints
    assert len(native.stdout.splitlines()) == 5


@both
def test_rights_to_ports_stay_with_a_child_that_executes(tmp_path: Path, engine: str) -> None:
    """What a child has asked for is its own in the program that it becomes (iopl(2)), and in that one's children."""
    source = r"""
    #include <sys/io.h>
    int main(int argc, char **argv) {
        int status;
        if (argc > 1) {
            int first = inb(0x84);
            if (inb(0x300) != 0xff) return 2;
            if (!fork()) _exit(inb(0x300) == 0xff ? inb(0x84) : 3);
            wait(&status);
            return 10 * first + WEXITSTATUS(status);
        }
        if (!fork()) {
            if (iopl(3) || inb(0x300) != 0xff || inb(0x84) != 1) _exit(1);
            execl(argv[0], argv[0], "again", (char *)0);
        }
        wait(&status);
        return WEXITSTATUS(status);
    }"""
    (tmp_path / "tickets.py").write_text(trees.MODEL)
    places = ["--unmapped=ones", "--device", "tickets.py:tickets@ports:0x80+16"]
    run = pagetrap(engine, tmp_path, "run", places, [program(source)])
    assert run.status == 23, run.complaints
    assert [a.value for a in run.accesses if a.offset == 4] == [1, 2, 3]


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
