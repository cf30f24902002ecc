"""System calls that a tracer has to make look as they are without it."""

import signal
from pathlib import Path

import pytest

from mmio.program import bounce_buffers
from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import device_file, program, run

LOW = 0x2000_0000
PAGE = 0x7E_0000_0000


def traced(body: str, address: int = PAGE) -> tuple[int, Tracer]:
    """Run a program with a trapped page at an address; return how it ended."""
    begin = f"""static char *page;
    static void begin() {{
        page = mmap((void *){address:#x}, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }}
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    """
    tracer = Tracer()
    tracer.map(address, 4096, name="page")
    with tracer:
        return run(tracer, program(begin + body)).status, tracer


@pytest.mark.parametrize(
    "entry",
    [
        "prctl(PR_SET_SECCOMP, 1)",
        "syscall(SYS_seccomp, 0, 0, 0)",
        "syscall(SYS_prctl, 7L << 32 | PR_SET_SECCOMP, 1, 0, 0)",  # an int of the kernel's has no upper half
        "syscall(SYS_seccomp, 7L << 32, 7L << 32, 0)",
    ],
)
def test_strict_mode(entry: str) -> None:
    """In seccomp's strict mode read, write and exit work, with trapped buffers as well; any other call kills."""
    begin = f"int main() {{ begin(); int ends[2]; pipe(ends); if ({entry}) return 1; page[0] = 7;"
    works = "if (write(ends[1], page, 4) != 4 || read(ends[0], page + 4, 4) != 4 || page[4] != 7) syscall(60, 2);"
    assert traced(f"{begin} {works} syscall(60, 33); }}")[0] == 33
    assert traced(f"{begin} {works} getpid(); syscall(60, 33); }}")[0] == -signal.SIGKILL


@pytest.mark.parametrize("action", ["SECCOMP_RET_ERRNO | 99", "SECCOMP_RET_TRAP", "SECCOMP_RET_KILL_PROCESS"])
@pytest.mark.parametrize("entry", ["syscall(SYS_seccomp, 1, 0, &all)", "prctl(PR_SET_SECCOMP, 2, &all)"])
def test_a_filter_of_the_programs(action: str, entry: str) -> None:
    """Trapped buffers and native completion work under a filter that allows the program's few calls and no mmap."""
    allowed = "read", "write", "exit", "clone", "wait4"
    rules = "".join(f"{{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_{name}}}, {{BPF_RET, 0, 0, ALLOW}}, " for name in allowed)
    status, tracer = traced(
        f"""#include <linux/filter.h>
        #include <linux/seccomp.h>
        #define ALLOW SECCOMP_RET_ALLOW
        static struct sock_filter rules[] = {{{{BPF_LD | BPF_W | BPF_ABS}}, {rules}{{BPF_RET, 0, 0, {action}}}}};
        int main() {{
            begin();
            struct sock_fprog all = {{sizeof rules / sizeof *rules, rules}};
            int ends[2], status;
            if (pipe(ends) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || {entry}) syscall(60, 1);
            page[0] = 7;
            if (write(ends[1], page, 4000) != 4000 || read(ends[0], page + 4, 4000) != 4000) syscall(60, 2);
            long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
            if (child < 0) syscall(60, 3);
            __asm__ volatile("sqrtps (%0),%%xmm3" : : "r"(page + 64) : "xmm3", "memory");
            if (write(ends[1], page, 4) != 4 || page[4] != 7) syscall(60, 4);
            if (!child) syscall(60, 5);
            if (wait4(child, &status, 0, 0) != child || WEXITSTATUS(status) != 5) syscall(60, 6);
            syscall(60, 33);
        }}"""
    )
    assert status == 33
    assert tracer.trace


def test_a_mask_in_the_page() -> None:
    """Signal masks in trapped memory are read and shown, SIGSEGV in them as well, which is never really blocked."""
    status, _ = traced(
        """#define sigprocmask(how, new, old) syscall(SYS_rt_sigprocmask, how, new, old, 8)
        int main() {
            begin();
            sigset_t *mask = (void *)page, *old = (void *)(page + 256), here;
            sigemptyset(&here);
            sigemptyset(old);
            sigemptyset(mask);
            sigaddset(mask, SIGUSR1);
            sigaddset(mask, SIGSEGV);
            if (sigprocmask(SIG_BLOCK, mask, 0) || sigprocmask(SIG_BLOCK, 0, old)) return 1;
            if (!sigismember(old, SIGUSR1) || !sigismember(old, SIGSEGV) || sigismember(old, SIGUSR2)) return 2;
            sigprocmask(SIG_BLOCK, 0, &here);
            if (sigismember(&here, SIGSEGV) != 1) return 3;
            page[0]++;
            return sigprocmask(SIG_BLOCK, (void *)(page + 8192), 0) != -1 || errno != EFAULT;
        }"""
    )
    assert status == 0


def test_a_32_bit_call_of_a_64_bit_program() -> None:
    """int 0x80 with a trapped buffer works, and is recorded as what it is."""
    status, tracer = traced(
        """static int call(int number, int a, unsigned b, int c) {
            int result;
            __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c)
                : "memory", "r8", "r9", "r10", "r11");
            return result;
        }
        int main() {
            begin();
            int ends[2];
            pipe(ends);
            memcpy(page + 8, "abc", 4);
            if (call(4, ends[1], (unsigned)(long)page + 8, 4) != 4) return 1;
            if (call(3, ends[0], (unsigned)(long)page + 64, 4) != 4 || memcmp(page + 64, "abc", 4)) return 2;
            return call(4, ends[1], (unsigned)(long)page + 8192, 4) != -EFAULT;
        }""",
        LOW,
    )
    assert status == 0
    assert [(a.letter, a.offset, a.width) for a in tracer.trace if a.text == "int 80h"] == [("R", 8, 4), ("W", 64, 4)]


def test_a_path_to_execute_in_the_page() -> None:
    """execve finds its path and arguments in trapped memory, and the new program begins as it should."""
    status, _ = traced(
        """int main(int argc, char **argv) {
            begin();
            strcpy(page, "/bin/sh");
            strcpy(page + 64, "-c");
            strcpy(page + 128, "test $0 = zero && exit 21");
            strcpy(page + 256, "zero");
            char **words = (char **)(page + 512);
            words[0] = page; words[1] = page + 64; words[2] = page + 128; words[3] = page + 256; words[4] = 0;
            execve(page, words, words + 4);
        }"""
    )
    assert status == 21


def test_a_signal_between_the_parts_of_a_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes while a long write waits ends it with what has been written, and its handler runs."""
    monkeypatch.setattr(bounce_buffers, "MOST", 1 << 16)
    size, read = 6 << 16, 4 << 16
    body = f"""static int count;
    static void tick(int number) {{ count++; }}
    int main(int argc, char **argv) {{
        int fd = open(argv[1], O_RDWR), ends[2], got = 0;
        char *p = mmap(0, {size}, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), here[65536];
        struct sigaction action = {{.sa_handler = tick}};
        sigaction(SIGUSR1, &action, 0);
        pipe(ends);
        pid_t child = fork();
        if (!child) {{
            for (int n; got < {read} && (n = read(ends[0], here, sizeof here)) > 0;) got += n;
            kill(getppid(), SIGUSR1);
            pause();
        }}
        int n = write(ends[1], p, {size});
        kill(child, SIGKILL);
        return n < {read} || n > {read} + {2 << 16} || count != 1;
    }}"""
    tracer = Tracer()
    device = device_file(tmp_path, bytes(size))
    tracer.map_file(str(device))
    assert run(tracer, program(body), device).status == 0
