"""A program may change what /proc, its root directory and its user are: pagetrap does not depend on them."""

import random
import subprocess
from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, program

# Does one step for each letter of argv[2]; after an "f" a child does the rest. What it finds goes to standard output.
CHANGING = r"""
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
extern char **environ;
static void said(char step, long result) {
    printf("%c %ld %d\n", step, result, result < 0 ? errno : 0);
    fflush(stdout);
}
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    char *missing[] = {"missing", 0};
    pid_t child;
    int status, descriptor;
    for (char *step = argv[2]; *step; step++) {
        p[0] = p[0] + 1;
        switch (*step) {
        case 'c': said('c', chroot(".")); break;
        case 'd': said('d', prctl(PR_SET_DUMPABLE, 0)); break;
        case 'u': said('u', setgid(65534)), said('u', setuid(65534)); break;
        case 'n':
            said('n', unshare(CLONE_NEWNS));
            said('n', mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
            said('n', umount2("/proc", MNT_DETACH));
            break;
        case 'p': said('p', unshare(CLONE_NEWPID)); break;
        case 's': said('s', posix_spawn(&child, "/missing", 0, 0, missing, environ)); break;
        case 'm':
            descriptor = open("device", O_RDWR);
            said('m', descriptor < 0 ? -1 : 0);
            if (descriptor >= 0) p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
            break;
        case 'r': said('r', read(open("device", O_RDONLY), (void *)(p + 16), 8)); break;
        case 'f':
            child = fork();
            if (child <= 0) {
                said('f', child);
                break;
            }
            waitpid(child, &status, 0);
            said('w', status);
            return 1 + p[0];
        }
    }
    said('.', p[0]);
    return p[0];
}
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(8))
def test_accesses_go_on_in_other_surroundings(tmp_path: Path, engine: str, seed: int) -> None:
    """Output, status and memory are those of a native run: in jails, namespaces and children, and as another user."""
    letters = random.Random(seed).choices("cdunpsmrff", k=9)
    command = [program(CHANGING), "device", "".join(letters)]
    device = device_file(tmp_path)
    native = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    expected = device.read_bytes()
    device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["-q", "--map", "*/device"], command)
    assert (run.output, run.status) == (native.stdout, native.returncode), run.complaints
    assert device.read_bytes() == expected
    assert len(run.accesses) >= 2 * native.returncode


# A nested function whose address is taken is entered through code on the stack.
ON_THE_STACK = r"""
int main(int argc, char **argv) {
    volatile uint32_t *p = map(argv[1], PROT_READ | PROT_WRITE);
    int order(const void *a, const void *b) { return p[0] = *(int *)a - *(int *)b; }
    void *ordered(void *words) { qsort(words, 3, 4, order); return 0; }
    int words[] = {3, 1, 2};
    pthread_t thread;
    if (pthread_create(&thread, 0, ordered, words) || pthread_join(thread, 0)) return 90;
    ordered(words);
    return words[0] + 10 * words[2];
}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_code_on_the_stack_runs_where_the_program_asks_for_it(tmp_path: Path, engine: str) -> None:
    """The stack of a program is executable if its headers say so, and else it is not."""
    device_file(tmp_path)
    for stack, status in ("execstack", 31), ("noexecstack", -11):
        command = [program(ON_THE_STACK, f"-Wl,-z,{stack}"), "device"]
        run = pagetrap(engine, tmp_path, "trace", ["-q", "--map", "*/device"], command)
        assert run.status == status, run.complaints
