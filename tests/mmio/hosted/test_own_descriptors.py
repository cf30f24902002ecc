"""A program finds the descriptors it would have alone; neither it nor pagetrap writes into files of the other."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program
from tests.native import run_python

# Does what daemons do to descriptors, in an order drawn from a seed, with accesses to the device in between; what it
# finds goes to the file it is given.
TIDYING = r"""
#include <dirent.h>
#include <sys/resource.h>
#include <sys/syscall.h>
static void list(FILE *out) {
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    while ((entry = readdir(directory))) if (entry->d_name[0] != '.') fprintf(out, "%s ", entry->d_name);
    closedir(directory);
    fprintf(out, "\n");
}
int main(int argc, char **argv) {
    struct rlimit limit;
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    unsigned seed = atoi(argv[3]);
    FILE *out = fopen(argv[2], "w");
    setbuf(out, 0);
    fprintf(out, "opened %d\n", fileno(out));
    for (int step = 0; step < 12; step++) {
        seed = seed * 1103515245 + 12345;
        p[0] = step;
        switch (seed >> 16 & 7) {
        case 0: fprintf(out, "range %ld\n", syscall(SYS_close_range, fileno(out) + 1, ~0U, 0)); break;
        case 1: {
            int closed = 0;
            for (int fd = fileno(out) + 1; fd < 3000; fd++) closed += close(fd) == 0;
            fprintf(out, "closed %d\n", closed);
            break;
        }
        case 2: list(out); break;
        case 3: getrlimit(RLIMIT_NOFILE, &limit); fprintf(out, "limit %ld\n", (long)limit.rlim_cur); break;
        case 4: {
            int copy = dup(fileno(out)), other = dup2(copy, 900);
            fprintf(out, "dup %d %d %d %d\n", copy, other, dup2(copy, 3000), fcntl(copy, F_DUPFD, 2000));
            close(copy), close(other);
            break;
        }
        case 5: {
            int works = 0;
            for (int fd = 1000; fd < 1200; fd++) works += write(fd, "x", 1) == 1 || fcntl(fd, F_GETFD) >= 0;
            fprintf(out, "high %d\n", works);
            break;
        }
        case 6: fprintf(out, "next %d\n", open("/dev/zero", O_RDONLY)); break;
        case 7:
            close(0), close(1), close(2);
            fprintf(out, "standard %d %d\n", open(argv[4], O_RDWR | O_CREAT, 0600), dup(fileno(out)));
        }
    }
    list(out);
    return p[0] != 11;
}
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(6))
def test_descriptors_are_those_of_a_native_run(tmp_path: Path, engine: str, seed: int) -> None:
    """Numbers, listings, limits and results are the same, the trace is whole, and no other file is written."""
    binary, device = str(program(TIDYING)), str(device_file(tmp_path))
    found = []
    for name in ("native", engine):
        arguments = [binary, device, str(tmp_path / name), str(seed), str(tmp_path / f"{name}.other")]
        if name == "native":
            done = subprocess.run(arguments, capture_output=True, check=True, timeout=60)
            assert done.stdout + done.stderr == b""
        else:
            run = pagetrap(engine, tmp_path, "trace", ["--live", "--map", "*/device"], arguments)
            assert run.status == 0, run.complaints
        other = tmp_path / f"{name}.other"
        found.append(((tmp_path / name).read_text(), other.read_bytes() if other.exists() else None))
    assert found[1] == found[0]
    assert [a.letter for a in run.accesses] == ["W"] * 12 + ["R"]
    assert run.complaints.count("device+0x0") >= 13  # also where the program has closed or replaced standard error


# Lowers its limit to argv[3] and opens by one call after the other until each fails; accesses its device in between.
FULL = r"""
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
static int listening;
static int one(int way) {
    int pair[2], copy;
    sigset_t none;
    sigemptyset(&none);
    switch (way) {
    case 0: return open("/dev/null", O_RDONLY);
    case 1: return dup(1);
    case 2: return socket(AF_UNIX, SOCK_STREAM, 0);
    case 3: return pipe(pair) ? -1 : pair[1];
    case 4: return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ? -1 : pair[1];
    case 5: return epoll_create1(0);
    case 6: return eventfd(0, 0);
    case 7: return timerfd_create(CLOCK_MONOTONIC, 0);
    case 8: return signalfd(-1, &none, 0);
    case 9: return inotify_init();
    case 10: return memfd_create("x", 0);
    case 11: return fcntl(1, F_DUPFD, 7);
    case 12: return fcntl(1, F_DUPFD, 50);
    case 13: return fcntl(99, F_DUPFD, 50);
    case 14: return dup(99);
    case 15: return dup2(1, 9);
    case 16: return dup2(1, 50);
    case 17: return open("/nowhere/at/all", O_RDONLY);
    case 18: return accept(listening, 0, 0);
    case 19: copy = signalfd(-1, &none, 0); return copy < 0 ? copy : signalfd(copy, &none, 0);
    }
    return -2;
}
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    FILE *out = fopen(argv[2], "w");
    struct rlimit limit;
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = atoi(argv[3]);
    if (bind(listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (void *)&name, 2) || listen(listening, 1))
        return 2;
    if (setrlimit(RLIMIT_NOFILE, &limit)) return 3;
    for (int way = 0; way < 20; way++) {
        int count = 0, last;
        p[0] = way;
        errno = 0;
        while ((last = one(way)) >= 0 && count++ < 20) fprintf(out, "%d ", last);
        fprintf(out, "way %d: %d times, %d\n", way, count, errno);
        if (way % 3 != 2) for (int fd = listening + 1; fd < 30; fd++) close(fd);
    }
    fflush(out);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) || open("/dev/null", O_RDONLY) < 0;
}
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("limit", [3, 8, 10, 11])
def test_a_program_is_held_to_its_own_limit(tmp_path: Path, engine: str, limit: int) -> None:
    """Every way to open a descriptor fails where it does natively, and accesses continue when there are none left."""
    binary, device = str(program(FULL)), str(device_file(tmp_path))
    native = subprocess.run([binary, device, tmp_path / "native", str(limit)], check=False, timeout=60)
    arguments = [binary, device, str(tmp_path / engine), str(limit)]
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], arguments)
    assert (run.status, len(run.accesses)) == (native.returncode, 20), run.complaints
    assert (tmp_path / engine).read_text() == (tmp_path / "native").read_text()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_is_held_to_the_limit_it_begins_with(tmp_path: Path, engine: str) -> None:
    """A program that never changes its limit is refused the same descriptor as natively."""
    source = r"""
    int main(int argc, char **argv) {
        volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
        int last = 0, fd;
        while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
        p[0] = last;
        return errno != EMFILE;
    }"""
    device = str(device_file(tmp_path))
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(program(source)), device], limits="-Sn 300")
    assert (run.status, [a.value for a in run.accesses]) == (0, [299]), run.complaints


def test_the_limit_of_a_program_is_not_left_to_its_host(tmp_path: Path) -> None:
    """The limit that a program sets ends with it."""
    source = r"""
    #include <sys/resource.h>
    int main() {
        struct rlimit limit = {5, 5};
        return setrlimit(RLIMIT_NOFILE, &limit) || dup(1) < 0 || dup(1) < 0 || dup(1) >= 0;
    }"""
    code = f"""
import resource
from mmio.hosted import Host
host = Host()
host.map_file("/nowhere")
before = resource.getrlimit(resource.RLIMIT_NOFILE)
host.spawn([{str(program(source))!r}])
assert host.run() == 0
assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
open("/dev/null").close()
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_few_descriptors_are_an_error_that_says_how_many(tmp_path: Path) -> None:
    """Where the limit cannot be raised and is too low to be shared, the message says what to do."""
    code = """
import os, resource
from mmio.linux import own_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
if os.getuid() == 0:
    os.setuid(65534)
try:
    own_descriptors.reserve()
except OSError as error:
    print(error)
"""
    told = run_python(code).stdout
    assert "the limit of 20 open files" in told
    assert "ulimit -Hn 512" in told


def test_standard_streams_are_back_after_the_program(tmp_path: Path) -> None:
    """What a program has closed or replaced is what it was before, for the caller of `Host.run`."""
    source = 'int main() { close(0); close(2); dup2(open("/dev/null", O_RDWR), 1); return 0; }'
    code = f"""
import os
from mmio.hosted import Host
host = Host()
host.map_file("/nowhere")
before = [os.fstat(number).st_ino for number in range(3)]
host.spawn([{str(program(source))!r}])
assert host.run() == 0
assert [os.fstat(number).st_ino for number in range(3)] == before
os.write(1, b"back")
"""
    assert run_python(code).stdout == "back"


# One thread opens files, and closes a number that is not open; others come and go, touch the device and map it.
CROWDED = r"""
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
static volatile uint32_t *p;
static volatile int over, visits;
static int file;
static void *visit(void *unused) { return (void *)(long)p[1]; }
static void *crowd(void *unused) {
    while (!over) {
        pthread_t visitor;
        pthread_create(&visitor, 0, visit, 0);
        pthread_join(visitor, 0);
        volatile uint32_t *q = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        q[2]++;
        munmap((void *)q, 4096);
        visits++;
    }
    return 0;
}
int main(int argc, char **argv) {
    pthread_t threads[2];
    int wrong = 0, lowest, rounds = atoi(argv[2]);
    p = map(argv[1], PROT_READ | PROT_WRITE);
    file = open(argv[1], O_RDWR);
    lowest = dup(file);
    close(lowest);
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, crowd, 0);
    for (int i = 0; i < rounds || visits < 30; i++) {
        int number = open("/dev/null", O_RDONLY);
        wrong += number != lowest;
        close(number);
        wrong += close(lowest) == 0;
    }
    over = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    printf("%d\n", wrong);
    return 0;
}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_what_pagetrap_reads_meanwhile_takes_no_number(tmp_path: Path, engine: str) -> None:
    """Symbols, memory maps and states of threads are read while another thread of the program opens files."""
    arguments = [str(program(CROWDED)), str(device_file(tmp_path)), "1000"]
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], arguments)
    assert (run.status, run.output) == (0, "0\n"), run.complaints
    assert len(run.accesses) >= 90


def test_what_takes_a_number_is_noted(tmp_path: Path) -> None:
    """A model that opens a file meanwhile is seen: every other test of this folder fails when pagetrap does so."""
    model = "from models import Pattern\nclass Opening(Pattern):\n    def read(self, offset, width):\n"
    (tmp_path / "opening.py").write_text(model + "        open('/dev/null').close()\n        return 5\n")
    body = 'int main(int c, char **v) { printf("%d\\n", *(volatile int *)map(v[1], PROT_READ)); return 0; }'
    options = ["-q", "--device", f"{tmp_path}/opening.py:Opening@device"]
    run = pagetrap("inprocess", tmp_path, "run", options, [program(body), str(device_file(tmp_path))])
    assert (run.status, run.output) == (0, "5\n"), run.complaints
    notes = Path(os.environ["TEST_OPENED"])
    assert "open '/dev/null' in opening.py:read" in notes.read_text()
    notes.unlink()
