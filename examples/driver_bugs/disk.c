/* SPDX-License-Identifier: MIT
 *
 * A driver, and behind each macro BUG_… a mistake that drivers really have.
 */
#include "disk.h"

#include <errno.h>

#define CTRL 0x00 /* bit 8 is reserved, and 1 */
#define STAT 0x04
#define INTR 0x08 /* write one to clear */
#define DESC 0x10 /* 64 bits: the address of a descriptor */
#define BELL 0x18

#define CTRL_EN 0x001u
#define CTRL_IE 0x002u
#define CTRL_MODE 0x00cu
#define CTRL_DMA 0x004u
#define STAT_READY 0x1u
#define INTR_DONE 0x1u
#define INTR_ERROR 0x2u
#define GONE 0xffffffffu
#define POLLS 1000

static uint32_t in(const struct disk *disk, unsigned offset)
{
	return *(volatile uint32_t *)(disk->registers + offset);
}

static void out(struct disk *disk, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(disk->registers + offset) = value;
}

static int wait_until_ready(struct disk *disk)
{
#ifdef BUG_NO_TIMEOUT
	for (;;) {
#else
	for (int polls = 0; polls < POLLS; polls++) {
#endif
		uint32_t status = in(disk, STAT);

#ifndef BUG_REMOVED
		if (status == GONE)
			return -ENODEV;
#endif
		if (status & STAT_READY)
			return 0;
	}
	return -ETIMEDOUT;
}

int disk_open(struct disk *disk, volatile void *registers)
{
	disk->registers = registers;
#if defined BUG_RESET_VALUE
	out(disk, CTRL, in(disk, CTRL) | CTRL_EN | CTRL_IE | CTRL_DMA); /* the mode was 0, was it not? */
#elif defined BUG_RESERVED_BIT
	out(disk, CTRL, CTRL_EN | CTRL_IE | CTRL_DMA);
#else
	out(disk, CTRL, (in(disk, CTRL) & ~CTRL_MODE) | CTRL_EN | CTRL_IE | CTRL_DMA);
#endif
	return wait_until_ready(disk);
}

int disk_read(struct disk *disk, void *buffer, uint64_t length)
{
	uint32_t before = disk->completed;
	int result = wait_until_ready(disk);

	if (result)
		return result;
#ifdef BUG_STALE_DMA
	if (!disk->descriptor.address)
#endif
	disk->descriptor.address = (uintptr_t)buffer;
#ifndef BUG_NO_BARRIER
	disk->descriptor.length = length;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* the descriptor is in memory before the disk is told of it */
#endif
	*(volatile uint64_t *)(disk->registers + DESC) = (uintptr_t)&disk->descriptor;
	out(disk, BELL, 1);
#ifdef BUG_NO_BARRIER
	disk->descriptor.length = length; /* as a compiler may order it */
#endif
	if (disk->completed == before) { /* the handler has not run */
#ifndef BUG_LOST_INTERRUPT
		disk_irq(disk); /* perhaps there is something for it all the same */
#endif
		if (disk->completed == before)
			return -ETIMEDOUT;
	}
	return 0;
}

void disk_irq(struct disk *disk)
{
	uint32_t events = in(disk, INTR);

#ifndef BUG_REMOVED
	if (events == GONE)
		return;
#endif
#ifdef BUG_SPURIOUS_INTERRUPT
	disk->completed++;
#else
	if (events & INTR_DONE)
		disk->completed++;
#endif
	if (events & INTR_ERROR)
		disk->errors++;
	if (events)
#ifdef BUG_CLEARS_UNSEEN
		out(disk, INTR, in(disk, INTR) | events); /* and what has come since the first read */
#else
		out(disk, INTR, events);
#endif
}

void disk_close(struct disk *disk)
{
#ifndef BUG_USE_AFTER_CLOSE
	out(disk, CTRL, in(disk, CTRL) & ~(CTRL_EN | CTRL_IE));
#else
	out(disk, CTRL, in(disk, CTRL) & ~CTRL_EN);
#endif
}
