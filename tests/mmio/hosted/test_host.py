"""What a program can do in this process, and what it cannot."""

import signal
import subprocess
from pathlib import Path

import pytest

from emulate import Ram
from mmio.hosted import Host
from mmio.hosted.errors import HostError
from tests.mmio.hosted.engines import pagetrap
from tests.mmio.ptrace.programs import device_file, program
from tests.native import run_python

REFUSED = {
    "seccomp": (
        r"""
        #include <sys/prctl.h>
        int main() { prctl(PR_SET_SECCOMP, 1, 0, 0, 0); return 0; }""",
        "restricts its own system calls",
    ),
    "seccomp, bits set that the kernel does not look at": (
        r"""
        #include <sys/prctl.h>
        #include <sys/syscall.h>
        int main() { syscall(SYS_prctl, 7L << 32 | PR_SET_SECCOMP, 1, 0, 0); return 0; }""",
        "restricts its own system calls",
    ),
    "int 80h": (
        r"""int main() { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(45), "b"(0)); return 0; }""",
        "makes a 32-bit system call",
    ),
    "shared memory": (
        r"""
        static char stack[65536];
        static int child(void *unused) { return 0; }
        int main() { clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, 0); pause(); }""",
        "makes a process that shares its memory",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_had_is_refused_before_it_happens(tmp_path: Path, what: str) -> None:
    """The program goes no further, and a line says what it wanted and which engine has it."""
    source, message = REFUSED[what]
    device_file(tmp_path)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert (run.status, "Traceback" in run.complaints) == (125, False)
    assert message in run.complaints
    assert "use --engine=ptrace" in run.complaints


def test_what_was_recorded_survives_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle leaves whole lines, up to the last access."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        for (int i = 0; i < 100; i++) p[i] = i;
        kill(getpid(), SIGKILL);
    }"""
    device_file(tmp_path)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert run.status == -signal.SIGKILL
    assert [a.value for a in run.accesses] == list(range(100))


def test_the_summary_comes_when_the_program_has_closed_everything(tmp_path: Path) -> None:
    """A program that closes standard error, and _exits without a word, still ends in a summary."""
    source = r"""int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        p[3] = 5;
        close(0), close(1), close(2);
        _exit(4);
    }"""
    device_file(tmp_path)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "*/device"], [program(source), "device"])
    assert run.status == 4
    assert "device+0xc" in run.complaints


def test_the_program_finds_what_execve_gives(tmp_path: Path) -> None:
    """Arguments, environment, auxiliary vector, its own path, a heap, its signals and its name are as in a process."""
    source = r"""
    #include <sys/auxv.h>
    #include <sys/prctl.h>
    extern char **environ;
    __thread int own = 3;
    int main(int argc, char **argv) {
        char path[4096], name[17] = "";
        path[readlink("/proc/self/exe", path, sizeof path - 1)] = 0;
        prctl(PR_GET_NAME, name);
        char *before = sbrk(0);
        int heap = sbrk(100000) == before && sbrk(0) == before + 100000;
        struct sigaction pipe, quit;
        sigaction(SIGPIPE, 0, &pipe);
        sigaction(SIGQUIT, 0, &quit);
        printf("%d %s %s %s ", argc, argv[1], argv[2], getenv("WORD"));
        printf("%d ", getauxval(AT_PAGESZ) == 4096 && getauxval(AT_ENTRY) && getauxval(AT_RANDOM));
        printf("%d ", !strcmp((char *)getauxval(AT_EXECFN), argv[0]) && !strcmp(path, argv[0]));
        printf("%d ", heap && own == 3);
        printf("%d ", pipe.sa_handler == SIG_DFL && quit.sa_handler == SIG_DFL);
        printf("%d\n", !strncmp(strrchr(argv[0], '/') + 1, name, 15));
        return 0;
    }"""
    path = program(source)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "x"], ["env", "WORD=w", path, "one", ""])
    assert run.output == "3 one  w 1 1 1 1 1\n"
    assert run.status == 0


def test_signals_are_arranged_as_the_kernel_does(tmp_path: Path) -> None:
    """Masks, alternate stacks, SA_RESETHAND and old actions of the held signals are what the program made them."""
    source = r"""
    static char stack[65536];
    static volatile int on_stack, hits;
    static void fault(int number, siginfo_t *info, void *context) {
        char here;
        on_stack = &here > stack && &here < stack + sizeof stack;
        hits++;
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
    }
    #define TRAP do { long a = 8; __asm__ volatile("movb (%%rax),%%al" : "+a"(a)); } while (0)  /* two bytes */
    int main() {
        stack_t mine = {.ss_sp = stack, .ss_size = sizeof stack}, now;
        sigset_t set, old;
        struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND}, before;
        sigemptyset(&set), sigaddset(&set, SIGSEGV), sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_BLOCK, &set, 0);
        sigprocmask(SIG_BLOCK, 0, &old);
        if (!sigismember(&old, SIGSEGV) || !sigismember(&old, SIGUSR1) || sigismember(&old, SIGUSR2)) return 1;
        sigprocmask(SIG_UNBLOCK, &set, 0);
        sigaltstack(0, &now);
        if (!(now.ss_flags & SS_DISABLE)) return 2;
        if (sigaltstack(&mine, 0)) return 3;
        sigaltstack(0, &now);
        if (now.ss_sp != stack || now.ss_flags) return 4;
        if (sigaction(SIGSEGV, &action, &before) || before.sa_handler != SIG_DFL) return 5;
        TRAP;
        if (hits != 1 || !on_stack) return 6;
        sigaction(SIGSEGV, 0, &before);
        if (before.sa_handler != SIG_DFL) return 7;
        action.sa_flags = SA_SIGINFO;
        sigaction(SIGSEGV, &action, 0);
        TRAP;
        if (hits != 2 || on_stack) return 8;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, 0);
        TRAP;
        return 9;
    }"""
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", "x"], [program("#include <ucontext.h>\n" + source)])
    assert run.status == -signal.SIGSEGV  # blocked, so that the last one kills


def test_a_jump_into_a_device_is_the_programs(tmp_path: Path) -> None:
    """Code cannot run where a device is: the program has the SIGSEGV of any page without the right, nothing is read."""
    source = r"""
    static sigjmp_buf back;
    static volatile int code;
    static void *volatile at;
    static void fault(int number, siginfo_t *info, void *context) {
        code = info->si_code, at = info->si_addr;
        siglongjmp(back, 1);
    }
    int main(int argc, char **argv) {
        volatile void *p = map(argv[1], PROT_READ | PROT_EXEC);
        struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
        sigaction(SIGSEGV, &action, 0);
        if (!sigsetjmp(back, 1)) ((void (*)(void))p)();
        return code == SEGV_ACCERR && at == p ? 7 : 8;
    }"""
    path = device_file(tmp_path, bytes([0xC3]) * 4096)
    run = pagetrap("inprocess", tmp_path, "trace", ["--map", str(path)], [program(source), "device"])
    assert (run.status, run.accesses) == (7, [])


def test_descriptors_close_as_execve_closes_them(tmp_path: Path) -> None:
    """What is open close-on-exec is closed in the program that the first one becomes, and nothing else is."""
    source = r"""int main(int argc, char **argv) {
        if (argc > 2) return (fcntl(8, F_GETFD) == -1) + 2 * (fcntl(9, F_GETFD) != -1);
        int fd = open(argv[1], O_RDONLY);
        dup3(fd, 8, O_CLOEXEC), dup2(fd, 9);
        execl(argv[0], argv[0], argv[1], "again", (char *)0);
        return 4;
    }"""
    device_file(tmp_path)
    assert pagetrap("inprocess", tmp_path, "trace", ["--map", "x"], [program(source), "device"]).status == 3


def test_an_exit_status_has_eight_bits(tmp_path: Path) -> None:
    """The caller that runs a program is told as much of its status as wait(2) tells."""
    code = f"""
from mmio.hosted import Host
host = Host()
host.map_file("x")
host.spawn([{program("int main() { _exit(0x107); }")!r}])
print(host.run())
"""
    assert run_python(code).stdout == "7\n"


def test_a_host_in_a_process_with_threads_is_refused() -> None:
    """A signal of the program's could come to one of them."""
    code = """
import threading
from mmio.hosted import Host
threading.Thread(target=threading.Event().wait, daemon=True).start()
host = Host()
host.map_file("x")
host.spawn(["true"])
try:
    host.run()
except Exception as error:
    print(type(error).__name__, error)
"""
    assert run_python(code).stdout.startswith("HostError signals of the program could come to a thread")


def test_a_program_is_traced_after_another_one_was_hosted() -> None:
    """The filter that is left in the process looks at calls of code below 4 GiB, where no launching is done."""
    code = f"""
import sys
from emulate import Ram
from mmio.hosted import Host
from mmio.ptrace import Tracer
for source in Host(), Tracer():
    source.map_ports(0x378, 3, Ram(3))
    source.spawn([{program("int main() { return 5; }", "-no-pie")!r}])
    print(source.run())
"""
    assert run_python(code).stdout == "5\n5\n"


def test_run_wants_a_program() -> None:
    """Without one it says what comes first."""
    with pytest.raises(ValueError, match="spawn names it"):
        Host().run()


def test_real_ports_are_refused() -> None:
    """The program would have our rights to them, or we its; a device at ports is well."""
    host = Host()
    with pytest.raises(HostError, match=r"real ports cannot be traced in this process, .*: use --engine=ptrace"):
        host.map_ports(0x70, 2)
    host.map_ports(0x70, 2, Ram(2), "clock")
    assert host.unmatched == ["ports 0x70..0x72"]


def test_a_user_namespace_of_its_own(tmp_path: Path) -> None:
    """A program with one thread may enter namespaces that take that (unshare(2)): pagetrap has none beside it."""
    source = r"""
    int main() { return unshare(CLONE_NEWUSER) ? errno : 3; }"""
    native = subprocess.run([program(source)], check=False).returncode
    methods = "    def read(self, offset, width): ...\n    def write(self, offset, width, value): ...\n"
    (tmp_path / "card.py").write_text(f"class Card:\n    length = 4096\n{methods}")
    for _ in range(6):  # a thread that has been joined may still be about to leave the kernel
        run = pagetrap("inprocess", tmp_path, "run", ["--device", "card.py:Card@/nowhere"], [program(source)])
        assert run.status == native
