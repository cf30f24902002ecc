"""The devices that come with the package, under drivers in C and in Python."""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import mmio
from mmio.virtio import VirtioConsole, VirtioRng
from mmio.virtio.queue import WRITE
from mmio.virtio.transport import VERSION_1
from tests.mmio.virtio.driver import Driver

RNG = r"""
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REG(offset) (*(volatile uint32_t *)(base + (offset)))
#define SIZE 4

struct desc { uint64_t address; uint32_t length; uint16_t flags, next; };
struct rings {
	struct desc desc[SIZE];
	struct { uint16_t flags, index, ring[SIZE], used_event; } available;
	struct { uint16_t flags, index; struct { uint32_t id, length; } ring[SIZE]; uint16_t available_event; } used;
} __attribute__((aligned(16)));

static volatile struct rings rings;

static void address(volatile uint8_t *base, int offset, volatile void *at)
{
	REG(offset) = (uint32_t)(uintptr_t)at;
	REG(offset + 4) = (uint32_t)((uintptr_t)at >> 32);
}

/* Set the device up; negative when it is not a source of entropy, or wants no driver like this one. */
int rng_open(volatile uint8_t *base)
{
	if (REG(0x00) != 0x74726976 || REG(0x04) != 2 || REG(0x08) != 4)
		return -1;
	REG(0x70) = 0;
	REG(0x70) = 1;
	REG(0x70) = 3;
	REG(0x14) = 1;
	if (!(REG(0x10) & 1))
		return -2;
	REG(0x24) = 1;
	REG(0x20) = 1;
	REG(0x24) = 0;
	REG(0x20) = 0;
	REG(0x70) = 0xb;
	if (!(REG(0x70) & 8))
		return -3;
	REG(0x30) = 0;
	if (REG(0x34) < SIZE || REG(0x44))
		return -4;
	memset((void *)&rings, 0, sizeof(rings));
	REG(0x38) = SIZE;
	address(base, 0x80, rings.desc);
	address(base, 0x90, &rings.available);
	address(base, 0xa0, &rings.used);
	REG(0x44) = 1;
	REG(0x70) = 0xf;
	return 0;
}

/* Fill a buffer; return how many bytes have come. */
int rng_read(volatile uint8_t *base, void *buffer, uint32_t length)
{
	uint16_t before = rings.used.index, slot = rings.available.index % SIZE;

	rings.desc[0] = (struct desc){(uintptr_t)buffer, length, 2, 0};
	rings.available.ring[slot] = 0;
	__sync_synchronize();
	rings.available.index++;
	REG(0x50) = 0;
	for (int i = 0; i < 1000 && rings.used.index == before; i++)
		;
	if (rings.used.index == before)
		return -1;
	REG(0x64) = REG(0x60);
	return (int)rings.used.ring[before % SIZE].length;
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The driver in C."""
    directory: Path = tmp_path_factory.mktemp("virtio")
    (directory / "rng.c").write_text(RNG)
    command = [os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run([*command, "-o", directory / "librng.so", directory / "rng.c"], check=True)
    return ctypes.CDLL(str(directory / "librng.so"))


def test_rng_with_a_driver_in_c(driver: Any) -> None:
    """A driver in C negotiates, sets its queue up, and gets what the source gives, several times round the ring."""
    device = VirtioRng(lambda length: bytes(range(256))[:length])
    with mmio.ioremap(device) as mapping:
        assert driver.rng_open(mapping) == 0
        buffer = ctypes.create_string_buffer(64)
        for length in (1, 64, 7, 33, 64, 2, 5):
            ctypes.memset(buffer, 0xEE, 64)
            assert driver.rng_read(mapping, buffer, length) == length
            assert buffer.raw == bytes(range(length)) + b"\xee" * (64 - length)
        assert (device.problems, device.irq.level) == ([], False)
        assert "DRIVER_OK" in str(mapping.trace)


def test_rng_with_a_wrong_buffer(driver: Any) -> None:
    """A driver in C that gives a buffer where it has no memory is told, and nothing crashes."""
    device = VirtioRng()
    with mmio.ioremap(device) as mapping:
        assert driver.rng_open(mapping) == 0
        assert driver.rng_read(mapping, ctypes.c_void_p(0x10), 8) == -1
        assert (
            "write of 8 bytes at address 0x10 by VirtioRng: this process has no memory to write to"
            in device.problems[0]
        )
        assert driver.rng_open(mapping) == 0
        assert driver.rng_read(mapping, ctypes.create_string_buffer(8), 8) == 8


def test_random_bytes() -> None:
    """The bytes are the kernel's, and no more than there is room for."""
    driver = Driver(device := VirtioRng())
    driver.descriptor(0, 0x8000, 16, WRITE)
    driver.descriptor(1, 0xC000, 0x4000, WRITE)
    driver.offer(0, 1)
    assert driver.used() == [(0, 16), (1, 0x4000)]
    assert len(set(driver.ram.read(0xC000, 0x4000))) > 200
    assert device.problems == []
    with pytest.raises(TypeError, match="source is a function"):
        VirtioRng(5)  # type: ignore[arg-type]


def test_console() -> None:
    """What is typed waits for buffers, what is sent is kept, and the size of the terminal can be read."""
    device = VirtioConsole(columns=132, rows=50)
    device.receive(b"before")
    driver = Driver(device, VERSION_1 | 1, queues=2)
    assert [device.read(0x100, 2), device.read(0x102, 2), device.read(0x104, 4)] == [132, 50, 1]
    driver.descriptor(0, 0xC000, 4, WRITE)
    driver.descriptor(1, 0xC010, 8, WRITE)
    driver.offer(0)
    assert driver.ram.read(0xC000, 4) == b"befo"
    driver.offer(1)
    assert (driver.ram.read(0xC010, 3), driver.used()) == (b"re\0", [(0, 4), (1, 2)])
    driver.offer(0)
    device.receive(b"ab")
    assert driver.ram.read(0xC000, 4) == b"abfo"
    driver.ram.write(0xC020, b"hello\n")
    driver.descriptor(0, 0xC020, 6, queue=1)
    driver.offer(0, queue=1)
    assert device.sent == b"hello\n"
