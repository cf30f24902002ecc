"""Programs whose time is that of the models' clock: the same results as with the host's, without the wait."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import Clock, Tracer, seconds
from mmio.linux.syscall_table import NUMBERS
from mmio.program.time_calls import CONDITIONS, FOLLOWING, RULES
from mmio.program.virtual_time import BEGIN, EPOCH
from tests.mmio.ptrace.programs import need_program, program, program_32
from tests.native import run_python

SCRIPT = r"""
#include <semaphore.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static volatile sig_atomic_t signals;
static void on_signal(int number) { signals++; }
static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static struct timespec ns(int64_t n) { return (struct timespec){n / 1000000000, n % 1000000000}; }
static struct timespec later(clockid_t clock, int64_t n) {
    struct timespec t;
    clock_gettime(clock, &t);
    return ns(t.tv_sec * 1000000000LL + t.tv_nsec + n);
}
static void alarm_in(int64_t n) {
    struct itimerval v = {{0, 0}, {n / 1000000000, n % 1000000000 / 1000}};
    setitimer(ITIMER_REAL, &v, 0);
}
int main(int argc, char **argv) {
    int ends[2], full[2], exact = argv[1][0] == 'v';
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, 0);
    pipe(ends), pipe(full), write(full[1], "x", 1);
    int watch = epoll_create1(0);
    struct epoll_event event = {EPOLLIN}, out;
    epoll_ctl(watch, EPOLL_CTL_ADD, ends[0], &event);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes), pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_t condition;
    pthread_cond_init(&condition, &attributes);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    for (int i = 2; i < argc; i++) {
        int64_t wait = atoll(argv[i] + 1) * 1000000LL, asked = wait, begin = now(), extra = -1;
        struct timespec t = ns(wait), rest = {-1, -1};
        struct timeval v = {wait / 1000000000, wait % 1000000000 / 1000};
        struct pollfd empty = {ends[0], POLLIN}, ready = {full[0], POLLIN};
        struct itimerspec once = {{0, 0}, t};
        uint64_t count = 0;
        fd_set set;
        sigset_t usr1, none;
        sigemptyset(&usr1), sigemptyset(&none), sigaddset(&usr1, SIGUSR1);
        FD_ZERO(&set);
        FD_SET(ends[0], &set);
        int result = 0, fd;
        clockid_t clock;
        errno = 0, signals = 0;
        switch (argv[i][0]) {
        case 'n': result = nanosleep(&t, &rest), extra = rest.tv_sec; break;
        case 'c': result = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0); break;
        case 'a': case 'r':
            clock = argv[i][0] == 'a' ? CLOCK_MONOTONIC : CLOCK_REALTIME;
            t = later(clock, wait), result = clock_nanosleep(clock, TIMER_ABSTIME, &t, 0);
            break;
        case 'p': result = poll(&empty, 1, wait / 1000000); break;
        case 'P': result = poll(&ready, 1, wait / 1000000), asked = 0; break;
        case 'q': result = ppoll(&empty, 1, &t, &none); break;
        case 's': result = select(ends[0] + 1, &set, 0, 0, &v), extra = v.tv_sec + v.tv_usec; break;
        case 'S': result = pselect(ends[0] + 1, &set, 0, 0, &t, &none); break;
        case 'e': result = epoll_wait(watch, &out, 1, wait / 1000000); break;
        case 'E': result = epoll_pwait(watch, &out, 1, wait / 1000000, &none); break;
        case 'm': t = later(CLOCK_REALTIME, wait), result = sem_timedwait(&semaphore, &t); break;
        case 'k':
            t = later(CLOCK_MONOTONIC, wait), pthread_mutex_lock(&mutex);
            result = pthread_cond_timedwait(&condition, &mutex, &t), pthread_mutex_unlock(&mutex);
            break;
        case 't': case 'T':
            fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), timerfd_settime(fd, 0, &once, 0);
            struct pollfd timer = {fd, POLLIN};
            if (argv[i][0] == 'T') extra = poll(&timer, 1, -1);
            result = read(fd, &count, 8), extra = extra * 10 + count, close(fd);
            break;
        case 'i': alarm_in(wait), result = pause(); break;
        case 'I':
            alarm_in(wait), t = ns(wait + 900000000000);
            result = nanosleep(&t, &rest), extra = rest.tv_sec > 800;
            break;
        case 'z': alarm_in(wait), result = poll(&empty, 1, -1); break;
        case 'Z': alarm_in(wait), result = ppoll(&empty, 1, 0, &none); break;
        case 'g': result = sigtimedwait(&usr1, 0, &t); break;
        }
        int error = errno;
        int64_t took = now() - begin;
        printf("%s %d %d %d %lld %d\n", argv[i], result, error, (int)signals, (long long)extra,
               exact && asked ? took - asked < 100000 && took >= asked : took >= asked);
    }
    if (exact && getauxval(AT_SYSINFO_EHDR)) return 3;
    return 0;
}
"""
LETTERS = "ncarpPqsSeEmktTiIzZg"
ENGINES = "ptrace", "hosted"
each_engine = pytest.mark.parametrize("engine", ENGINES)


RUNNER = r"""
import sys
from mmio import Clock, Device, SignalSender, Tracer, line, ms, register, seconds, us
from mmio.hosted import Host


class Card(Device):
    ctrl = register(0x00)
    stat = register(0x04)
    irq = line(trigger="edge")

    @ctrl.written
    def _start(self, old, new):
        self.clock.after(ms(new), self._done)

    def _done(self):
        self.stat.value = 1
        self.irq.set(True)
        self.irq.set(False)


card = Card()
tracer = {"ptrace": Tracer, "hosted": Host}[sys.argv[1]]()
"""
VIRTUAL = """
clock = card.clock = tracer.use_virtual_time()
tracer.map_file("/dev/card", card, length=0x1000)
"""
RUN = """
tracer.spawn(sys.argv[2:])
status = tracer.run()
print(clock.now, file=sys.stderr)
sys.exit(status)
"""


class Outcome(NamedTuple):
    """How a program ended, what it printed, and what its clock said at the end."""

    status: int
    output: str
    now: int


def virtually(engine: str, *arguments: str, prepare: str = VIRTUAL) -> Outcome:
    """Run a program with virtual time, in a process of its own: there is one hosted program a process."""
    run = run_python(RUNNER + prepare + RUN, engine, *arguments)
    last = run.stderr.splitlines()[-1:]
    assert "".join(last).isdigit(), run.stderr
    return Outcome(run.returncode, run.stdout, int(last[0]))


STEPS = st.lists(st.builds(lambda letter, n: f"{letter}{n}", st.sampled_from(LETTERS), st.integers(1, 4)), max_size=6)


@settings(deadline=None, max_examples=12)
@given(STEPS)
def test_waits_have_the_results_they_have_natively(steps: list[str]) -> None:
    """Any sequence of sleeps, timeouts and alarms returns what it returns with the host's time, and takes its time."""
    path = program(SCRIPT)
    native = subprocess.run([path, "n", *steps], capture_output=True, text=True, check=True, timeout=60).stdout
    for engine in ENGINES:
        assert virtually(engine, path, "v", *steps)[:2] == (0, native), engine


@each_engine
def test_hours_pass_at_once(engine: str) -> None:
    """Every kind of wait, an hour long, is over at once, and has taken an hour of the program's time."""
    steps = [f"{letter}3600000" for letter in LETTERS]
    outcome = virtually(engine, program(SCRIPT), "v", *steps)
    assert outcome.status == 0
    assert [row.split()[5] for row in outcome.output.splitlines()] == ["1"] * len(steps)
    assert outcome.now >= seconds(3600) * (len(steps) - 1)


THREADS = r"""
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];
static void *run(void *argument) {
    char *at = argument, *name = at++;
    for (; *at; at = strchr(at, ',') + 1) {
        int kind = at[0];
        long ms = atol(at + 1);
        struct pollfd p = {ends[0], POLLIN};
        struct timespec t = {ms / 1000, ms % 1000 * 1000000};
        if (kind == 'n') nanosleep(&t, 0);
        else if (kind == 'p') poll(&p, 0, ms);
        else if (kind == 'u') usleep(ms * 1000);
        pthread_mutex_lock(&lock);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        printf("%c %ld\n", *name, (now.tv_sec - 1000) * 1000 + now.tv_nsec / 1000000);
        fflush(stdout);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}
int main(int argc, char **argv) {
    pthread_t threads[9];
    pipe(ends);
    for (int i = 1; i < argc; i++) pthread_create(&threads[i], 0, run, argv[i]);
    for (int i = 1; i < argc; i++) pthread_join(threads[i], 0);
    return 0;
}
"""


@settings(deadline=None, max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("npu")), min_size=1, max_size=10))
def test_events_of_threads_come_in_the_order_of_their_times(schedule: list[tuple[int, str]]) -> None:
    """Threads that wait for different times wake in the order of those, each at its own time."""
    waits: dict[int, str] = {}
    last: dict[int, int] = {}
    expected = []
    for slot, (thread, kind) in enumerate(schedule, 1):
        time = slot * 1000
        waits[thread] = waits.get(thread, "ABCD"[thread]) + f"{kind}{time - last.get(thread, 0)},"
        last[thread] = time
        expected.append(("ABCD"[thread], time))
    for engine in ENGINES:
        outcome = virtually(engine, program(THREADS), *waits.values())
        found = [(name, int(time)) for name, time in map(str.split, outcome.output.splitlines())]
        assert [name for name, _ in found] == [name for name, _ in expected]
        assert all(0 <= time - wanted < 2 for (_, time), (_, wanted) in zip(found, expected, strict=True))


@each_engine
def test_a_model_answers_in_the_programs_time(engine: str) -> None:
    """A driver that sleeps between looks finds the answer when it is due, and its timeout when it is not."""
    body = r"""int main(int argc, char **argv) {
        volatile uint32_t *card = map("/dev/card", PROT_READ | PROT_WRITE);
        card[0] = atoi(argv[1]);
        for (int i = 0; i < 100; i++) { if (card[1]) { printf("%d", i); return 0; } usleep(100000); }
        return 1;
    }"""
    assert virtually(engine, program(body), "950")[:2] == (0, "10")
    assert virtually(engine, program(body), "10001")[:2] == (1, "")


@each_engine
def test_a_loop_that_asks_the_time_gets_there(engine: str) -> None:
    """Each question takes a microsecond, so that a program that only asks does not ask for ever."""
    body = r"""int main(void) { struct timeval a, b; int n = 0; gettimeofday(&a, 0);
        do { gettimeofday(&b, 0); n++; } while (b.tv_usec - a.tv_usec < 500 && b.tv_sec == a.tv_sec);
        printf("%d %ld %d", n, (long)a.tv_sec, time(0) == a.tv_sec); return 0; }"""
    assert virtually(engine, program(body))[:2] == (0, f"500 {EPOCH // seconds(1)} 1")


@each_engine
def test_a_signal_of_a_model_ends_a_pause(engine: str) -> None:
    """A model's line is a signal of the program's, at the model's time."""
    body = r"""static void on_signal(int n) {}
        int main(void) { struct timespec t; signal(SIGUSR1, on_signal);
        volatile uint32_t *card = map("/dev/card", PROT_READ | PROT_WRITE);
        card[0] = 5000; pause(); clock_gettime(CLOCK_MONOTONIC, &t);
        printf("%ld %d", t.tv_sec, card[1]); return 0; }"""
    prepare = VIRTUAL + "SignalSender(card.irq, 10, lambda: tracer.processes[0])\n"
    assert virtually(engine, program(body), prepare=prepare)[:2] == (0, f"{BEGIN // seconds(1) + 5} 1")


def test_processes_share_the_time() -> None:
    """A parent and its child wake in the order of their times, and the parent waits for the child for nothing."""
    body = r"""int main(void) { setvbuf(stdout, 0, _IONBF, 0);
        if (!fork()) { sleep(20); printf("child "); _exit(0); }
        sleep(10); printf("parent "); wait(0);
        struct timespec t; clock_gettime(CLOCK_BOOTTIME, &t); printf("%ld", t.tv_sec);
        execl("/bin/sleep", "sleep", "1000", (char *)0); return 9; }"""
    outcome = virtually("ptrace", program(body))
    assert outcome[:2] == (0, f"parent child {BEGIN // seconds(1) + 20}")
    assert outcome.now >= seconds(1020)


def test_a_signal_without_a_handler_does_not_lengthen_a_wait() -> None:
    """A call that the kernel makes again after a signal that means nothing ends when it would have ended."""
    body = r"""static void *child(void *x) {
            for (int i = 0; i < 5; i++) { sleep(1); kill(getpid(), SIGWINCH); }
            return 0; }
        int main(void) { pthread_t t; struct timespec a; pthread_create(&t, 0, child, 0);
        poll(0, 0, 3500); clock_gettime(CLOCK_MONOTONIC, &a);
        printf("%ld %ld", a.tv_sec, a.tv_nsec / 100000000); return 0; }"""
    for engine in ENGINES:
        assert virtually(engine, program(body))[:2] == (0, f"{BEGIN // seconds(1) + 3} 5")


def test_32_bit_programs_follow_as_well() -> None:
    """The calls of 32-bit programs, with their own struct timespec, follow."""
    body = r"""START {
        int t[2] = {3600, 5}, a[2], b[2]; long long c[2];
        call(265, 1, (int)a, 0, 0, 0, 0);
        call(162, (int)t, 0, 0, 0, 0, 0);
        call(168, 0, 0, 10000, 0, 0, 0);
        call(265, 1, (int)b, 0, 0, 0, 0);
        call(403, 1, (int)c, 0, 0, 0, 0);
        leave(b[0] - a[0] == 3610 && c[0] == b[0] ? 0 : 1);
    }"""
    assert virtually("ptrace", program_32(body)).status == 0


def test_times_that_are_none_are_refused_as_by_the_kernel() -> None:
    """A negative time or a second of nanoseconds is EINVAL, a bad pointer EFAULT; the host's clock is not set."""
    body = r"""int main(void) { struct timespec t = {-1, 0}, u = {0, 1000000000};
        if (nanosleep(&t, 0) != -1 || errno != EINVAL) return 1;
        if (ppoll(0, 0, &u, 0) != -1 || errno != EINVAL) return 2;
        if (nanosleep((void *)8, 0) != -1 || errno != EFAULT) return 3;
        u.tv_nsec = 0;
        if (clock_settime(CLOCK_REALTIME, &u) != -1 || errno != EPERM) return 4;
        if (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, 0) != EINVAL) return 5;
        return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &u) || u.tv_sec > 100; }"""
    for engine in ENGINES:
        assert virtually(engine, program(body)).status == 0


def test_mistakes_are_told() -> None:
    """A second clock, no clock, a running program, and a program of the other engine that makes processes."""
    tracer = Tracer()
    clock = tracer.use_virtual_time()
    assert tracer.use_virtual_time(clock) is clock
    with pytest.raises(ValueError, match="follows another clock already"):
        tracer.use_virtual_time(Clock())
    with pytest.raises(TypeError, match="clock is a Clock, not 3"):
        tracer.use_virtual_time(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="virtual time from its start, or not at all: spawn it"):
        tracer.attach(os.getpid())
    run = run_python(RUNNER + VIRTUAL + RUN, "hosted", program("int main(void) { return fork() < 0; }"))
    assert "makes a process, which cannot have virtual time here: use --engine=ptrace" in run.stderr


@each_engine
def test_a_model_that_fails_in_a_timer_ends_the_run(engine: str) -> None:
    """The exception comes out of `run`, as one at an access does."""
    prepare = VIRTUAL + "clock.after(us(10), lambda: 1 // 0)\n"
    run = run_python(RUNNER + prepare + RUN, engine, program("int main(void) { return sleep(1); }"))
    assert run.stderr.splitlines()[-1] == "ZeroDivisionError: integer division or modulo by zero"


def test_the_table_has_calls_that_there_are() -> None:
    """Each name is a system call, once, and each has the conditions of the filter."""
    names = [name for group in FOLLOWING for name in group.names]
    assert len(set(names)) == len(names)
    assert set(names) == set(RULES) == set(CONDITIONS)
    assert all(name in NUMBERS[64] or name in NUMBERS[32] for name in names)


@each_engine
def test_sleeping_only_the_hosts_time_stays(engine: str) -> None:
    """Without virtual time a program has the host's clocks, its vdso too, whatever its models do."""
    body = "#include <sys/auxv.h>\nint main(void) { return time(0) < 1500000000 || !getauxval(AT_SYSINFO_EHDR); }"
    prepare = "clock = card.clock\ntracer.map_file('/dev/uio0', card, length=0x1000)\n"
    assert virtually(engine, program(body), prepare=prepare).status == 0


@each_engine
def test_a_static_program_has_no_other_clock(engine: str) -> None:
    """A C library that is linked in finds no vdso either."""
    assert virtually(engine, program(SCRIPT, "-static"), "v", "n3600000", "m3600000")[:2] == (
        0,
        "n3600000 0 0 0 -1 1\nm3600000 -1 110 0 -1 1\n",
    )


GO = """
package main

import (
	"fmt"
	"time"
)

func main() {
	begin := time.Now()
	done := make(chan int)
	for worker := 1; worker <= 3; worker++ {
		go func(seconds int) {
			time.Sleep(time.Duration(seconds) * time.Hour)
			done <- seconds
		}(worker)
	}
	for worker := 1; worker <= 3; worker++ {
		fmt.Print(<-done, " ")
	}
	select {
	case <-done:
	case <-time.After(10 * time.Hour):
	}
	fmt.Println(begin.Year(), time.Since(begin).Round(time.Minute))
}
"""


@each_engine
def test_a_go_program_follows(engine: str, tmp_path: Path) -> None:
    """Its run time makes system calls of its own, in several threads, and has no C library."""
    need_program("go", "golang-go")
    (tmp_path / "main.go").write_text(GO)
    environment = os.environ | {"GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", "timer", "main.go"], cwd=tmp_path, check=True, env=environment)
    assert virtually(engine, str(tmp_path / "timer"))[:2] == (0, "1 2 3 2000 13h0m0s\n")


@each_engine
def test_each_signal_of_a_timer_is_handled_at_its_time(engine: str) -> None:
    """However often: time does not move on while the program is on its way to or from a wait."""
    body = r"""
    static volatile sig_atomic_t count;
    static void on_signal(int number) { count++; }
    int main(void) {
        struct itimerval every = {{1, 0}, {1, 0}};
        struct timespec t;
        signal(SIGALRM, on_signal);
        setitimer(ITIMER_REAL, &every, 0);
        for (int i = 1; i <= 1500; i++) {
            while (count < i) pause();
            clock_gettime(CLOCK_MONOTONIC, &t);
            if (count == i && t.tv_sec == 1000 + i) continue;
            printf("%d signals at %d s, not %d", count, (int)t.tv_sec, i);
            return 1;
        }
        return 0;
    }"""
    run = virtually(engine, program(body))
    assert (run.status, run.output) == (0, "")


@each_engine
def test_timers_that_send_signals_follow(engine: str) -> None:
    """timer_create: a signal with a value, again and again, and a function in a thread of the C library's."""
    body = r"""
    #include <semaphore.h>
    static volatile sig_atomic_t count, value; static sem_t posted;
    static void on_signal(int n, siginfo_t *info, void *context) {
        count += info->si_code == SI_TIMER; value = info->si_value.sival_int;
    }
    static void in_a_thread(union sigval v) { value = v.sival_int; sem_post(&posted); }
    int main(void) {
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
        struct itimerspec every = {{100, 0}, {50, 0}}, left, none = {{0, 0}, {0, 0}};
        struct timespec t; timer_t timer;
        sigaction(SIGUSR1, &action, 0);
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &every, 0)) return 1;
        if (timer_gettime(timer, &left) || left.it_value.tv_sec != 50 || left.it_interval.tv_sec != 100) return 2;
        while (count < 3) pause();
        clock_gettime(CLOCK_MONOTONIC, &t);
        if (t.tv_sec != 1250 || value != 42 || timer_getoverrun(timer)) return 3;
        if (timer_settime(timer, 0, &none, &left) || left.it_interval.tv_sec != 100 || timer_delete(timer)) return 4;
        if (timer_delete(timer) != -1) return 5;
        event.sigev_notify = SIGEV_THREAD, event.sigev_notify_function = in_a_thread, event.sigev_value.sival_int = 7;
        clock_gettime(CLOCK_REALTIME, &every.it_value);
        every.it_value.tv_sec += 1000, every.it_interval = none.it_value;
        if (timer_create(CLOCK_REALTIME, &event, &timer) || timer_settime(timer, TIMER_ABSTIME, &every, 0)) return 6;
        while (sem_wait(&posted)) {}
        clock_gettime(CLOCK_MONOTONIC, &t);
        return value == 7 && t.tv_sec == 2250 ? 0 : 7;
    }"""
    assert virtually(engine, program(body)).status == 0
