/* SPDX-License-Identifier: MIT
 *
 * A driver of four strips of lights, each behind a FIFO. Behind each macro BUG_… is a mistake that drivers really have.
 */
#include <stdint.h>

struct registers {
	uint32_t index; /* which setting DATA is */
	uint32_t data;
	uint32_t reserved[2];
	struct {
		uint32_t fifo; /* takes 8 colours */
		uint32_t bell; /* send them to the strip */
		uint32_t stat;
		uint32_t reserved;
	} strip[4];
};

#define GAIN(strip) (strip)
#define CAUSE 4u /* a bit for each strip that is done; write one to clear */
#define STAT_FULL 0x1u

/* Show colours, the first at the near end of the strip. */
void lights_show(volatile struct registers *regs, unsigned strip, const uint32_t *colours, unsigned count)
{
#ifdef BUG_BELL
	unsigned bell = 0; /* all is well with one strip */
#else
	unsigned bell = strip;
#endif

	for (unsigned i = 0; i < count; i++) {
#ifndef BUG_OVERRUN
		if (regs->strip[strip].stat & STAT_FULL)
			regs->strip[bell].bell = 1;
#endif
		regs->strip[strip].fifo = colours[i];
	}
	regs->strip[bell].bell = 1;
}

/* Set the brightness of a strip, 0 to 255. */
void lights_dim(volatile struct registers *regs, unsigned strip, uint32_t gain)
{
	regs->index = GAIN(strip);
	regs->data = gain; /* there may be an interrupt in between */
}

/* Handle an interrupt. Return a bit for each strip that is done. */
uint32_t lights_irq(volatile struct registers *regs)
{
#ifndef BUG_INDEX
	uint32_t index = regs->index;
#endif
	uint32_t cause;

	regs->index = CAUSE;
	cause = regs->data;
	if (cause)
		regs->data = cause;
#ifndef BUG_INDEX
	regs->index = index;
#endif
	return cause;
}
