"""System calls with pointers into a trapped page of the program's own."""

import pytest

from mmio.linux import syscall_table
from mmio.ptrace import Tracer
from tests.mmio.ptrace.programs import program, run

ADDRESS = 0x7E_0000_0000
BEGIN = f"""
#include <dirent.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/utsname.h>
static char *page;
static void begin() {{
    page = mmap((void *){ADDRESS:#x}, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}}
"""


def _traced(body: str) -> tuple[int, str, Tracer]:
    tracer = Tracer()
    tracer.map(ADDRESS, 64, name="page")
    with tracer:
        outcome = run(tracer, program(BEGIN + body))
    return outcome.status, outcome.output, tracer


@pytest.mark.parametrize("at", [0, 100, 4090])
def test_paths(at: int) -> None:
    """A path in the page, or one that begins there and ends in the next, is found; one that is not there is not."""
    status, _, _ = _traced(
        f"""int main() {{
            begin();
            char *path = page + {at};
            strcpy(path, "/proc/self/maps");
            int fd = open(path, O_RDONLY);
            if (fd < 0 || access(path, R_OK) || chdir(strcpy(path, "/")) ) return 1;
            strcpy(path, "/nowhere/at/all");
            return open(path, O_RDONLY) == -1 && errno == ENOENT ? 0 : 2;
        }}"""
    )
    assert status == 0


def test_what_the_kernel_writes_arrives_and_is_recorded() -> None:
    """Structures and pairs of descriptors: what has changed is written back, by the system call."""
    status, _, tracer = _traced(
        """int main() {
            begin();
            int *ends = (int *)(page + 8);
            struct utsname *name = (void *)(page + 512);
            struct timespec *some = (void *)(page + 1024);
            if (pipe(ends) || uname(name) || strcmp(name->sysname, "Linux")) return 1;
            some->tv_nsec = 1000;
            if (nanosleep(some, 0)) return 2;
            struct pollfd *fds = (void *)(page + 2048);
            fds[0].fd = ends[0];
            fds[0].events = POLLIN;
            if (poll(fds, 1, 0) != 0 || write(ends[1], "x", 1) != 1) return 3;
            return poll(fds, 1, 1000) == 1 && fds[0].revents == POLLIN ? 0 : 4;
        }"""
    )
    assert status == 0
    written = [access for access in tracer.trace if access.writes and access.text == "syscall"]
    assert (8, 8) in {(access.offset, access.width) for access in written}


def test_a_lock_in_the_page() -> None:
    """Threads that wait at a semaphore there are woken, and those that wait for some time only wait that long."""
    status, _, _ = _traced(
        """static sem_t *go, *done;
        static void *work(void *p) { for (int i = 0; i < 5; i++) { sem_wait(go); sem_post(done); } return 0; }
        int main() {
            begin();
            go = (sem_t *)page;
            done = (sem_t *)(page + 64);
            sem_init(go, 0, 0);
            sem_init(done, 0, 0);
            pthread_t thread;
            pthread_create(&thread, 0, work, 0);
            for (int i = 0; i < 5; i++) { sem_post(go); sem_wait(done); }
            pthread_join(thread, 0);
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 1000000;
            if (until.tv_nsec >= 1000000000) { until.tv_sec++; until.tv_nsec -= 1000000000; }
            return sem_timedwait(go, &until) == -1 && errno == ETIMEDOUT ? 0 : 1;
        }"""
    )
    assert status == 0


def test_calls_about_the_page_itself() -> None:
    """Memory management is about the address, not about what is there."""
    status, _, _ = _traced(
        """int main() {
            begin();
            page[100] = 7;
            if (madvise(page, 4096, MADV_DONTNEED) || page[100]) return 1;
            return munmap(page, 8192);
        }"""
    )
    assert status == 0


def test_a_call_of_no_table() -> None:
    """A call newer than the tables gets a copy, and what it writes there arrives: here one whose name is forgotten."""
    body = """int main() {
        begin();
        long *pair = (long *)(page + 4000);
        return syscall(228, 0, pair) || !pair[0];
    }"""
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(syscall_table.NAMES[64], 228)
        assert _traced(body)[0] == 0


def test_every_lock_is_woken() -> None:
    """Threads that wait for mutexes and conditions in the page continue, none is forgotten."""
    status, _, _ = _traced(
        """static struct { pthread_mutex_t lock; pthread_cond_t turn; int at; } *shared;
        static void *work(void *mine) {
            for (int i = 0; i < 5; i++) {
                pthread_mutex_lock(&shared->lock);
                while (shared->at % 3 != (long)mine) pthread_cond_wait(&shared->turn, &shared->lock);
                shared->at++;
                pthread_cond_broadcast(&shared->turn);
                pthread_mutex_unlock(&shared->lock);
            }
            return 0;
        }
        int main() {
            begin();
            shared = (void *)page;
            pthread_mutex_init(&shared->lock, 0);
            pthread_cond_init(&shared->turn, 0);
            pthread_t threads[3];
            for (long i = 0; i < 3; i++) pthread_create(threads + i, 0, work, (void *)i);
            for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
            return shared->at != 15;
        }"""
    )
    assert status == 0
