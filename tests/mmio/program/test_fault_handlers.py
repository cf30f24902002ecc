"""Programs that handle SIGSEGV and other signals, and touch a device in the handlers: they end as natively."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmio.ptrace import Tracer
from tests.mmio.hosted.engines import pagetrap
from tests.mmio.ptrace.programs import device_file, program, run

# The program follows the scripts it is given: one for itself, one for the handler of SIGSEGV, one for that of SIGALRM.
# d touches the device, f is a fault of its own, a raises SIGALRM, q tells the mask and both actions, b and u block and
# unblock SIGSEGV, p makes a child that does the rest, j leaves the handler by siglongjmp, k by longjmp, which leaves
# the mask as it is; i raises SIGALRM in a handler, whose handler comes back there at l. Each thing is told at once.
SOURCE = r"""
#include <sys/resource.h>
#include <ucontext.h>
static volatile uint32_t *device;
static sigjmp_buf with_mask, without, inner;
static const char *scripts[3];
static volatile int depth, calls, inside, inner_depth;
static void tell(const char *what) { if (write(1, what, strlen(what)) < 0) _exit(80); }
static void tell_action(int number) {
    struct sigaction now;
    char text[80];
    sigaction(number, 0, &now);
    sprintf(text, "[%x %d %d]", now.sa_flags & ~0x04000000, sigismember(&now.sa_mask, SIGSEGV), !!now.sa_handler);
    tell(text);
}
static void follow(const char *script) {
    sigset_t set, now;
    char step[2] = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    for (; *script; script++) {
        step[0] = *script;
        tell(step);
        switch (*script) {
        case 'd': device[1]++; __asm__ volatile("paddd (%0),%%xmm0" :: "r"(device) : "xmm0"); break;
        case 'f': __asm__ volatile("xor %%eax,%%eax; movb (%%rax),%%al; nop" ::: "rax"); break;
        case 'a': raise(SIGALRM); break;
        case 'q':
            sigprocmask(SIG_BLOCK, 0, &now);
            tell(sigismember(&now, SIGSEGV) ? "!" : ".");
            tell_action(SIGSEGV);
            tell_action(SIGALRM);
            break;
        case 'b': sigprocmask(SIG_BLOCK, &set, &now); tell(sigismember(&now, SIGSEGV) ? "!" : "."); break;
        case 'u': sigprocmask(SIG_UNBLOCK, &set, &now); tell(sigismember(&now, SIGSEGV) ? "!" : "."); break;
        case 'p': {
            pid_t child = fork();
            int status;
            if (!child) { depth += 50; continue; }
            if (waitpid(child, &status, 0) != child) _exit(81);
            if (WIFSIGNALED(status)) { signal(WTERMSIG(status), SIG_DFL); kill(getpid(), SIGKILL); }
            _exit(WEXITSTATUS(status));
        }
        case 'i':
            if (depth % 50 && !inside) {
                inner_depth = depth;
                if (!sigsetjmp(inner, 1)) { inside = 1; raise(SIGALRM); }
                depth = inner_depth, inside = 0;
            }
            break;
        case 'l': if (inside && depth % 50) siglongjmp(inner, 1); break;
        case 'j': if (depth % 50) siglongjmp(with_mask, 1); break;
        case 'k': if (depth % 50) siglongjmp(without, 1); break;
        }
    }
}
static void handler(int number, siginfo_t *info, void *context) {
    if (++depth % 50 == 6 || ++calls == 40) _exit(70);
    tell("<");
    follow(scripts[number == SIGSEGV ? 1 : 2]);
    tell(">");
    depth--;
    if (number == SIGSEGV && info->si_code > 0)
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;  // after the load
}
int main(int argc, char **argv) {
    static char stack[1 << 16];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    sigaltstack(&other, 0);
    device = map(argv[1], PROT_READ | PROT_WRITE);
    for (int n = 0; n < 2; n++) {
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | atoi(argv[2 + 2 * n])};
        sigemptyset(&action.sa_mask);
        if (atoi(argv[3 + 2 * n])) sigfillset(&action.sa_mask);
        sigaction(n ? SIGALRM : SIGSEGV, &action, 0);
    }
    for (int n = 0; n < 3; n++) scripts[n] = argv[6 + n];
    volatile int jumps = 0;
    sigsetjmp(with_mask, 1);
    if (sigsetjmp(without, 0) || 1) {
        depth -= depth % 50, inside = 0;
        if (jumps++ == 3) _exit(71);
        tell("\n");
        follow(scripts[0]);
    }
    return device[1] > 9 ? 9 : device[1];
}
"""
FLAGS = st.sampled_from([0, 0x08000000, 0x40000000, 0x48000000, 0x80000000])  # ONSTACK, NODEFER, both, RESETHAND
ACTIONS = st.tuples(FLAGS, st.booleans())
CASES = st.tuples(
    ACTIONS,
    ACTIONS,
    st.text("ddffaqbup", max_size=6),
    st.text("ddfaqubijk", max_size=4),
    st.text("ddfqubjkl", max_size=4),
)
Case = tuple[tuple[int, bool], tuple[int, bool], str, str, str]


def arguments(path: Path, case: Case) -> list[str]:
    """Return the program's arguments."""
    (flags, masks), (other_flags, other_masks), *scripts = case
    return [str(path), *(str(int(number)) for number in (flags, masks, other_flags, other_masks)), *scripts]


def natively(directory: Path, case: Case) -> tuple[int, str]:
    """Return status and output of an untraced run, whose device is memory."""
    done = subprocess.run(
        [program(SOURCE), *arguments(device_file(directory), case)], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("handlers")


@settings(deadline=None, max_examples=150)
@given(CASES)
@example(((0, False), (0, False), "fdfq", "dqd", ""))
@example(((0, True), (0, True), "daffq", "dq", "dqd"))
@example(((0, False), (0, False), "fd", "dfd", ""))
@example(((0, False), (0, False), "ffdq", "dj", ""))
@example(((0, False), (0, True), "adaq", "", "dk"))
@example(((0x80000000, False), (0, True), "fqf", "dqd", ""))
@example(((0, False), (0, False), "ffdq", "di", "dl"))
def test_a_traced_program_ends_as_natively(directory: Path, case: Case) -> None:
    """Handlers, masks and ends are those of an untraced run, under whichever masks the device is touched."""
    expected = natively(directory, case)
    tracer = Tracer()
    path = device_file(directory)
    tracer.map_file(str(path))
    assert tuple(run(tracer, program(SOURCE), *arguments(path, case))) == expected


@settings(deadline=None, max_examples=8)
@given(CASES)
@example(((0, False), (0, True), "fdafq", "dqd", "dqd"))
def test_a_hosted_program_ends_as_natively(directory: Path, case: Case) -> None:
    """The same, with the program in this process."""
    expected = natively(directory, case)
    path = device_file(directory)
    done = pagetrap("inprocess", directory, "trace", ["--map", str(path)], [program(SOURCE), *arguments(path, case)])
    assert (done.status, done.output) == expected


def test_a_call_that_a_held_signal_interrupts_is_begun_again(tmp_path: Path) -> None:
    """Where the program says so (SA_RESTART), also for SIGSEGV, whose handler in the kernel is pagetrap's."""
    source = r"""
    static void handler(int number) { }
    int main(int argc, char **argv) {
        struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
        sigaction(SIGSEGV, &action, 0);
        map(argv[1], PROT_READ | PROT_WRITE)[0] = 1;
        int ends[2];
        char byte = 7;
        if (pipe(ends)) return 90;
        if (!fork()) {
            usleep(200000), kill(getppid(), SIGSEGV), usleep(200000);
            _exit(write(ends[1], &byte, 1) != 1);
        }
        return read(ends[0], &byte, 1) == 1 ? byte : 91;
    }"""
    path = device_file(tmp_path)
    assert subprocess.run([program(source), path], check=False).returncode == 7
    assert pagetrap("inprocess", tmp_path, "trace", ["--map", str(path)], [program(source), str(path)]).status == 7
