/* SPDX-License-Identifier: MIT
 *
 * Driver for a 16550 serial port, at IO ports or in memory.
 *
 * Sending and receiving go through two rings, which uart_irq empties and fills: call it when the port's interrupt line
 * is asserted, also in the middle of another function of this driver. Functions return 0 or a count, or a negative
 * errno value.
 */
#ifndef UART16550_H
#define UART16550_H

#include <stddef.h>
#include <stdint.h>

#define UART_RING 256 /* bytes; one is always left free */

enum uart_type { UART_NONE, UART_16450, UART_16550A };

struct uart;

struct uart_stats {
	uint32_t interrupts;
	uint32_t sent;
	uint32_t received;
	uint32_t overruns; /* characters lost in the port */
	uint32_t errors;   /* with bad parity, bad framing, or a break */
	uint32_t dropped;  /* lost because nobody called uart_read */
};

/* The port whose registers are `stride` bytes apart from `base` on, or at IO ports from `port` on. NULL: no memory. */
struct uart *uart_at(volatile void *base, unsigned stride);
struct uart *uart_at_port(uint16_t port);

/* Find out what is there: an enum uart_type. Leaves everything as it was. */
int uart_probe(struct uart *uart);

/* Find the port, test it by sending to itself, and set it to 8 data bits, no parity, one stop bit.
 * -ENODEV, -EIO when it did not hear what it said, -EINVAL for a speed it cannot have. */
int uart_open(struct uart *uart, unsigned baud);

/* Take bytes to send, as many as there is room for, and return how many. */
int uart_write(struct uart *uart, const void *data, size_t length);

/* Return how many of the received bytes were copied out. */
int uart_read(struct uart *uart, void *data, size_t length);

/* Handle an interrupt. Returns how many causes it found: 0 when it was somebody else's. */
int uart_irq(struct uart *uart);

void uart_stats(const struct uart *uart, struct uart_stats *stats);

/* Disable interrupts and free everything. */
void uart_close(struct uart *uart);

#endif
