/* SPDX-License-Identifier: MIT
 *
 * Driver for the Quill timer.
 */
#include "timer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* Registers, all of 32 bits. */
#define TIMER_ID 0x00
#define TIMER_CTRL 0x04
#define TIMER_COUNT 0x08
#define TIMER_COMPARE 0x0c
#define TIMER_STATUS 0x10 /* write one to clear */

#define TIMER_ID_QUILL 0x71c00002
#define CTRL_EN (1u << 0)
#define CTRL_ONESHOT (1u << 1)
#define CTRL_IRQ (1u << 2)
#define CTRL_CLEAR (1u << 3)
#define CTRL_PSC(divider) (((divider)-1u) << 8)
#define DIVIDER_MAX 256u
#define STATUS_MATCH (1u << 0)
#define STATUS_LATE (1u << 1)

struct timer {
	volatile uint8_t *base;
	uint32_t clock;
	uint32_t period; /* counts a tick */
	timer_callback *callback;
	void *cookie;
	/* Written by the handler. */
	volatile uint32_t ticks;
	volatile uint32_t late;
};

static uint32_t readl(const struct timer *timer, size_t reg)
{
	return *(const volatile uint32_t *)(timer->base + reg);
}

static void writel(const struct timer *timer, size_t reg, uint32_t value)
{
	*(volatile uint32_t *)(timer->base + reg) = value;
}

struct timer *timer_open(volatile void *base, uint32_t clock)
{
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->base = base;
	timer->clock = clock;
	if (readl(timer, TIMER_ID) != TIMER_ID_QUILL) {
		free(timer);
		errno = ENODEV;
		return NULL;
	}
	timer_stop(timer);
	return timer;
}

/* Run with the smallest divider that makes `cycles` fit into the counter. */
static int timer_run(struct timer *timer, uint64_t cycles, uint32_t flags, timer_callback *callback, void *cookie)
{
	uint64_t divider = (cycles >> 32) + 1;

	if (cycles == 0 || divider > DIVIDER_MAX || cycles / divider == 0)
		return -ERANGE;
	timer_stop(timer);
	timer->period = cycles / divider;
	timer->callback = callback;
	timer->cookie = cookie;
	timer->ticks = timer->late = 0;
	writel(timer, TIMER_COMPARE, timer->period);
	/* From this store on the handler may run, before the next line does. */
	writel(timer, TIMER_CTRL, CTRL_EN | CTRL_IRQ | CTRL_CLEAR | CTRL_PSC((uint32_t)divider) | flags);
	return 0;
}

int timer_start(struct timer *timer, uint32_t hz, timer_callback *callback, void *cookie)
{
	return hz ? timer_run(timer, timer->clock / hz, 0, callback, cookie) : -ERANGE;
}

int timer_alarm(struct timer *timer, uint32_t microseconds, timer_callback *callback, void *cookie)
{
	return timer_run(timer, (uint64_t)timer->clock * microseconds / 1000000, CTRL_ONESHOT, callback, cookie);
}

int timer_irq(struct timer *timer)
{
	uint32_t status = readl(timer, TIMER_STATUS);

	if (!(status & STATUS_MATCH))
		return 0;
	writel(timer, TIMER_STATUS, status); /* what comes from now on is a new one */
	timer->ticks++;
	timer->late += !!(status & STATUS_LATE);
	if (timer->callback)
		timer->callback(timer->cookie);
	return 1;
}

uint32_t timer_ticks(const struct timer *timer) { return timer->ticks; }

uint32_t timer_late(const struct timer *timer) { return timer->late; }

uint64_t timer_now(struct timer *timer)
{
	uint32_t ticks, count;

	do { /* a tick between the two would put the clock back */
		ticks = timer->ticks;
		count = readl(timer, TIMER_COUNT);
	} while (ticks != timer->ticks);
	return (uint64_t)ticks * timer->period + count;
}

void timer_wait(struct timer *timer, uint32_t ticks)
{
	uint32_t start = timer->ticks;

	while (timer->ticks - start < ticks)
		readl(timer, TIMER_COUNT);
}

void timer_stop(struct timer *timer)
{
	writel(timer, TIMER_CTRL, 0);
	writel(timer, TIMER_STATUS, STATUS_MATCH | STATUS_LATE);
}

void timer_close(struct timer *timer)
{
	timer_stop(timer);
	free(timer);
}
