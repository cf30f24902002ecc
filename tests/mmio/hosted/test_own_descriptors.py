"""A program finds the descriptors it would have alone; neither it nor pagetrap writes into files of the other."""

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
