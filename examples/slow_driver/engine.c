/* SPDX-License-Identifier: MIT
 *
 * A driver of an engine that adds up bytes. Behind each macro BUG_… is a mistake that costs time and nothing else.
 */
#include <errno.h>
#include <stdint.h>

struct registers {
	uint32_t ctrl;
	uint32_t stat; /* write one to clear */
	uint64_t addr;
	uint32_t len;
	uint32_t bell;
	uint32_t count; /* requests that are done */
	uint32_t sum;
};

#define CTRL_EN 0x1u
#define STAT_DONE 0x1u
#define BYTES_PER_US 64
#define POLLS 64

void engine_open(volatile struct registers *regs)
{
	regs->ctrl = CTRL_EN;
}

/* Add up bytes. Return their sum, or a negative error. */
int64_t engine_sum(volatile struct registers *regs, const void *data, uint32_t length, void (*sleep_us)(uint32_t))
{
	uint32_t count = regs->count;

#ifdef BUG_WRITES_AGAIN
	regs->ctrl = CTRL_EN; /* to be sure */
#endif
	regs->addr = (uintptr_t)data;
	regs->len = length;
#ifndef BUG_CLEARS_LATE
	regs->stat = STAT_DONE;
#endif
	regs->bell = 1;
#ifdef BUG_CLEARS_LATE
	regs->stat = STAT_DONE; /* what if it is done by now? */
#endif
#ifndef BUG_NO_SLEEP
	sleep_us(length / BYTES_PER_US);
#endif
	for (int polls = 0; polls < POLLS; polls++)
		if (regs->stat & STAT_DONE)
			return regs->sum;
	return regs->count != count ? regs->sum : -ETIMEDOUT; /* an event was missed: such engines exist */
}
