"""A Go program: threads, preemption by SIGURG on alternate stacks, its own system calls, no C library."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mmio.hosted.engines import ENGINES, pagetrap
from tests.mmio.ptrace.programs import device_file, need_program

SOURCE = """
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

func main() {
	file, _ := os.OpenFile(os.Args[1], os.O_RDWR, 0)
	mapped, _ := syscall.Mmap(int(file.Fd()), 0, 4096, 3, 1)
	sent := make(chan os.Signal, 1)
	signal.Notify(sent, syscall.SIGUSR1)
	sums := make(chan uint32)
	for worker := 0; worker < 4; worker++ {
		go func(register *uint32) {
			sum := uint32(0)
			for round := uint32(0); round < 100; round++ {
				atomic.StoreUint32(register, round)
				sum += atomic.LoadUint32(register)
				if round%25 == 0 {
					runtime.GC()
				}
			}
			sums <- sum
		}((*uint32)(unsafe.Pointer(&mapped[4*worker])))
	}
	total := uint32(0)
	for worker := 0; worker < 4; worker++ {
		total += <-sums
	}
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	<-sent
	fmt.Println(total)
}
"""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_program("go", "golang-go")
    directory = tmp_path_factory.mktemp("go")
    (directory / "main.go").write_text(SOURCE)
    environment = os.environ | {"HOME": str(directory), "GO111MODULE": "off", "CGO_ENABLED": "0"}
    go = shutil.which("go")
    assert go is not None
    subprocess.run([go, "build", "-o", "main", "main.go"], cwd=directory, env=environment, check=True)
    return directory / "main"


@pytest.mark.parametrize("engine", ENGINES)
def test_goroutines_access_the_device(tmp_path: Path, binary: Path, engine: str) -> None:
    """Each goroutine reads back what it wrote, every access is recorded, and the program ends as it does natively."""
    path = device_file(tmp_path)
    run = pagetrap(engine, tmp_path, "trace", ["--map", "*/device"], [str(binary), str(path)])
    assert (run.status, run.output) == (0, f"{4 * sum(range(100))}\n"), run.complaints
    assert len(run.accesses) == 4 * 200
