/* SPDX-License-Identifier: MIT
 *
 * Driver for the Quill timer: periodic ticks, a clock, a single alarm.
 *
 * timer_irq is called when the timer's line is asserted, also in the middle of another function of this driver.
 * Functions return 0 or a negative errno value.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

struct timer;

/* Called from timer_irq. */
typedef void timer_callback(void *cookie);

/* Find and stop the timer. NULL with errno set to ENODEV or ENOMEM. `clock` is the input clock in Hz. */
struct timer *timer_open(volatile void *base, uint32_t clock);

/* Tick `hz` times a second, or once after so many microseconds. -ERANGE when the timer cannot. */
int timer_start(struct timer *timer, uint32_t hz, timer_callback *callback, void *cookie);
int timer_alarm(struct timer *timer, uint32_t microseconds, timer_callback *callback, void *cookie);

/* Handle an interrupt; return 1, or 0 when it was somebody else's. */
int timer_irq(struct timer *timer);

/* Ticks since timer_start, and how many of them came too late to be told apart. */
uint32_t timer_ticks(const struct timer *timer);
uint32_t timer_late(const struct timer *timer);

/* Counts since timer_start: never goes back. */
uint64_t timer_now(struct timer *timer);

/* Wait for so many ticks from now. */
void timer_wait(struct timer *timer, uint32_t ticks);

/* Stop the timer; and free everything. */
void timer_stop(struct timer *timer);
void timer_close(struct timer *timer);

#endif
