/* SPDX-License-Identifier: MIT
 *
 * For firmware, or tests of it, that run as a program of their own:
 *
 *     pagetrap run --svd chip.svd --device uart.py:Uart@USART2 -- ./tests
 *
 * A program that includes this header, in one file or in several, has its interrupt handlers called: those named as in
 * CMSIS, USART2_IRQHandler and SysTick_Handler. They need no declaration here, but must be functions with a symbol, so
 * do not strip the program. A handler runs as soon as its interrupt is due, between two instructions, as on the core.
 *
 * The functions below let a test speak to the board.
 */
#ifndef PAGETRAP_RUN_H
#define PAGETRAP_RUN_H

#include <signal.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The registers of mmio/cortex_m/program_port.py. */
#ifndef PAGETRAP_RUN
#define PAGETRAP_RUN 0xE00FD000UL
#endif
#define PAGETRAP_RUN_EXCEPTION 0x00
#define PAGETRAP_RUN_HANDLER 0x04
#define PAGETRAP_RUN_HANDLER_HIGH 0x08
#define PAGETRAP_RUN_RETURNED 0x0C
#define PAGETRAP_RUN_PEND 0x10
#define PAGETRAP_RUN_ADVANCE 0x14
#define PAGETRAP_RUN_NOW 0x18
#define PAGETRAP_RUN_NOW_HIGH 0x1C
#define PAGETRAP_RUN_MARK 0x20

static inline volatile uint32_t *pagetrap_run_register(uintptr_t offset)
{
	return (volatile uint32_t *)((uintptr_t)PAGETRAP_RUN + offset);
}

/* Make an interrupt pending, by its number from 0, as software that writes to the NVIC does. */
static inline void pagetrap_raise_irq(int irq) { *pagetrap_run_register(PAGETRAP_RUN_PEND) = (uint32_t)irq; }

/* Let time pass. What is due in it happens, and handlers run. */
static inline void pagetrap_advance_us(uint32_t us)
{
	*pagetrap_run_register(PAGETRAP_RUN_ADVANCE) = us;
	while (*pagetrap_run_register(PAGETRAP_RUN_ADVANCE)) /* some is left: a handler has run */
		;
}

/* Return the time of the board in nanoseconds, from 0. */
static inline uint64_t pagetrap_now_ns(void)
{
	uint64_t low = *pagetrap_run_register(PAGETRAP_RUN_NOW);

	return (uint64_t)*pagetrap_run_register(PAGETRAP_RUN_NOW_HIGH) << 32 | low;
}

/* Put a text into the trace, such as the name of a test. */
static inline void pagetrap_mark(const char *text)
{
	do
		*pagetrap_run_register(PAGETRAP_RUN_MARK) = (unsigned char)*text;
	while (*text++);
}

/* Call the handlers that are due. */
__attribute__((weak)) void pagetrap_serve(int number)
{
	uint32_t exception;

	(void)number;
	while ((exception = *pagetrap_run_register(PAGETRAP_RUN_EXCEPTION)) != 0) {
		uintptr_t address = *pagetrap_run_register(PAGETRAP_RUN_HANDLER);

#if UINTPTR_MAX > 0xFFFFFFFF
		address |= (uintptr_t)*pagetrap_run_register(PAGETRAP_RUN_HANDLER_HIGH) << 32;
#endif
		((void (*)(void))address)();
		*pagetrap_run_register(PAGETRAP_RUN_RETURNED) = exception;
	}
}

/* SIGURG tells that an exception is due; without pagetrap it never comes. */
__attribute__((weak, constructor)) void pagetrap_begin(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = pagetrap_serve;
	action.sa_flags = SA_NODEFER | SA_RESTART; /* a higher priority interrupts a handler */
	sigaction(SIGURG, &action, NULL);
}

#ifdef __cplusplus
}
#endif

#endif
