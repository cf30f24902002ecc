/* SPDX-License-Identifier: MIT
 *
 * Driver for a 16550 serial port. Registers as in the PC16550D data sheet, section 8.
 */
#include "uart16550.h"

#include <errno.h>
#include <stdlib.h>

/* Registers: offset in strides. */
#define UART_RBR 0 /* read */
#define UART_THR 0 /* write */
#define UART_DLL 0 /* while LCR has DLAB */
#define UART_IER 1
#define UART_DLM 1 /* while LCR has DLAB */
#define UART_IIR 2 /* read */
#define UART_FCR 2 /* write */
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_MSR 6
#define UART_SCR 7

#define IER_RDA 0x01
#define IER_THRE 0x02
#define IER_LINE 0x04
#define IER_ALL 0x0f
#define IIR_NONE 0x01
#define IIR_ID 0x0f
#define IIR_MODEM 0x0
#define IIR_THRE 0x2
#define IIR_RDA 0x4
#define IIR_LINE 0x6
#define IIR_TIMEOUT 0xc
#define IIR_FIFO 0xc0
#define FCR_ENABLE 0x01
#define FCR_RESET 0x06
#define FCR_TRIGGER_8 0x80
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT2 0x08 /* on a PC: lets the interrupt through */
#define MCR_LOOP 0x10
#define LSR_DR 0x01
#define LSR_OE 0x02
#ifdef BUG_FRAMING /* a planted mistake: bad framing is no error */
#define LSR_ERRORS 0x14
#else
#define LSR_ERRORS 0x1c
#endif
#define LSR_THRE 0x20
#define MSR_LEVELS 0xf0
#define MSR_CTS 0x10
#define MSR_DCD 0x80

#define UART_CLOCK 1843200u
#define UART_FIFO 16
#define UART_POLLS 1000
#define UART_CAUSES 64 /* a handler that finds more in a row has a port that is stuck */

/* Indices run freely; the ring is full when they are UART_RING - 1 apart. Shared with the handler. */
struct ring {
	uint8_t bytes[UART_RING];
	volatile uint8_t head; /* next to take */
	volatile uint8_t tail; /* next to fill */
};

_Static_assert(UART_RING == 256, "the indices wrap at 256");

struct uart {
	volatile uint8_t *base; /* NULL: at ports */
	unsigned stride;
	uint16_t port;
	volatile uint8_t ier; /* what IER is, since reading it costs an access */
	unsigned burst;       /* how many bytes the transmitter takes at once */
	struct ring tx;
	struct ring rx;
	struct uart_stats stats;
};

/* ---- Register access ------------------------------------------------------------------------------------------ */

static uint8_t uart_in(const struct uart *uart, unsigned reg)
{
	uint8_t value;

	if (uart->base)
		return uart->base[reg * uart->stride];
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(uart->port + reg)));
	return value;
}

static void uart_out(const struct uart *uart, unsigned reg, uint8_t value)
{
	if (uart->base)
		uart->base[reg * uart->stride] = value;
	else
		__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(uart->port + reg)));
}

static void uart_set_ier(struct uart *uart, uint8_t ier)
{
	uart->ier = ier; /* first: the write may bring an interrupt at once */
	uart_out(uart, UART_IER, ier);
}

/* ---- Finding it ----------------------------------------------------------------------------------------------- */

/* Whether four bits of IER can be cleared and set, as they cannot where nothing is. */
static int uart_answers(struct uart *uart)
{
	uint8_t ier = uart_in(uart, UART_IER), cleared, set;

	uart_out(uart, UART_IER, 0);
	cleared = uart_in(uart, UART_IER) & IER_ALL;
	uart_out(uart, UART_IER, IER_ALL);
	set = uart_in(uart, UART_IER) & IER_ALL;
	uart_out(uart, UART_IER, ier);
	return cleared == 0 && set == IER_ALL;
}

/* Whether the modem outputs come back as inputs in a loop. */
static int uart_loops(struct uart *uart)
{
	uint8_t mcr = uart_in(uart, UART_MCR), status;

	uart_out(uart, UART_MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS);
	status = uart_in(uart, UART_MSR) & MSR_LEVELS;
	uart_out(uart, UART_MCR, mcr);
	return status == (MSR_DCD | MSR_CTS);
}

int uart_probe(struct uart *uart)
{
	uint8_t fifo;

	if (!uart_answers(uart) || !uart_loops(uart))
		return UART_NONE;
	uart_out(uart, UART_FCR, FCR_ENABLE);
	fifo = uart_in(uart, UART_IIR) & IIR_FIFO;
	uart_out(uart, UART_FCR, 0);
	return fifo == IIR_FIFO ? UART_16550A : UART_16450;
}

/* Say a few bytes to ourselves. */
static int uart_self_test(struct uart *uart)
{
	static const uint8_t words[] = {0x00, 0x55, 0xaa, 0xff};
	uint8_t mcr = uart_in(uart, UART_MCR);
	int result = 0;

	uart_out(uart, UART_MCR, mcr | MCR_LOOP);
	for (size_t i = 0; i < sizeof(words) && result == 0; i++) {
		int polls = UART_POLLS;

		uart_out(uart, UART_THR, words[i]);
		while (!(uart_in(uart, UART_LSR) & LSR_DR) && --polls)
			;
		if (!polls || uart_in(uart, UART_RBR) != words[i])
			result = -EIO;
	}
	uart_out(uart, UART_MCR, mcr);
	return result;
}

/* ---- Opening and closing -------------------------------------------------------------------------------------- */

static struct uart *uart_new(volatile void *base, unsigned stride, uint16_t port)
{
	struct uart *uart = calloc(1, sizeof(*uart));

	if (uart) {
		uart->base = base;
		uart->stride = stride;
		uart->port = port;
	}
	return uart;
}

struct uart *uart_at(volatile void *base, unsigned stride) { return uart_new(base, stride, 0); }

struct uart *uart_at_port(uint16_t port) { return uart_new(NULL, 0, port); }

int uart_open(struct uart *uart, unsigned baud)
{
	unsigned divisor = baud ? (UART_CLOCK / 16 + baud / 2) / baud : 0;
	int type, result;

	if (divisor == 0 || divisor > 0xffff)
		return -EINVAL;
	type = uart_probe(uart);
	if (type == UART_NONE)
		return -ENODEV;
	uart->burst = type == UART_16550A ? UART_FIFO : 1;
	uart_out(uart, UART_LCR, LCR_8N1 | LCR_DLAB);
	uart_out(uart, UART_DLL, divisor & 0xff);
	uart_out(uart, UART_DLM, divisor >> 8);
	uart_out(uart, UART_LCR, LCR_8N1);
	uart_out(uart, UART_FCR, type == UART_16550A ? FCR_ENABLE | FCR_RESET | FCR_TRIGGER_8 : 0);
	result = uart_self_test(uart);
	if (result)
		return result;
	uart_out(uart, UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	/* What the port may still have to say from before is not for us. */
	for (int i = 0; i < UART_FIFO && (uart_in(uart, UART_LSR) & LSR_DR); i++)
		uart_in(uart, UART_RBR);
	uart_in(uart, UART_IIR);
	uart_in(uart, UART_MSR);
	uart_set_ier(uart, IER_RDA | IER_LINE);
	return 0;
}

void uart_close(struct uart *uart)
{
	uart_set_ier(uart, 0);
	uart_out(uart, UART_MCR, 0);
	uart_out(uart, UART_FCR, 0);
	free(uart);
}

/* ---- Bytes ---------------------------------------------------------------------------------------------------- */

int uart_write(struct uart *uart, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t taken = 0;

	while (taken < length && (uint8_t)(uart->tx.tail + 1) != uart->tx.head) {
		uart->tx.bytes[uart->tx.tail] = bytes[taken++];
		uart->tx.tail++;
	}
	if (uart->tx.head != uart->tx.tail && !(uart->ier & IER_THRE))
		uart_set_ier(uart, uart->ier | IER_THRE);
	return taken;
}

int uart_read(struct uart *uart, void *data, size_t length)
{
	uint8_t *bytes = data;
	size_t given = 0;

	while (given < length && uart->rx.head != uart->rx.tail) {
		bytes[given++] = uart->rx.bytes[uart->rx.head];
		uart->rx.head++;
	}
	return given;
}

/* ---- The interrupt -------------------------------------------------------------------------------------------- */

static uint8_t uart_status(struct uart *uart)
{
	uint8_t status = uart_in(uart, UART_LSR);

	uart->stats.overruns += !!(status & LSR_OE);
	uart->stats.errors += !!(status & LSR_ERRORS);
	return status;
}

static void uart_receive(struct uart *uart)
{
	while (uart_status(uart) & LSR_DR) {
		uint8_t byte = uart_in(uart, UART_RBR);

		if ((uint8_t)(uart->rx.tail + 1) == uart->rx.head) {
			uart->stats.dropped++;
			continue;
		}
		uart->rx.bytes[uart->rx.tail] = byte;
		uart->rx.tail++;
		uart->stats.received++;
	}
}

static void uart_transmit(struct uart *uart)
{
	for (unsigned i = 0; i < uart->burst && uart->tx.head != uart->tx.tail; i++) {
		uart_out(uart, UART_THR, uart->tx.bytes[uart->tx.head]);
		uart->tx.head++;
		uart->stats.sent++;
	}
	if (uart->tx.head == uart->tx.tail)
		uart_set_ier(uart, uart->ier & ~IER_THRE);
}

int uart_irq(struct uart *uart)
{
	int causes = 0;

#ifdef BUG_SPURIOUS_INTERRUPT
	if (!(uart->ier & IER_THRE)) { /* nothing is to be sent, so a byte must have come */
		uart->rx.bytes[uart->rx.tail] = uart_in(uart, UART_RBR);
		uart->rx.tail++;
		uart_receive(uart);
	}
#endif
	while (causes < UART_CAUSES) {
		uint8_t cause = uart_in(uart, UART_IIR) & IIR_ID;

		if (cause & IIR_NONE)
			break;
		causes++;
		switch (cause) {
		case IIR_LINE:
		case IIR_RDA:
		case IIR_TIMEOUT:
			uart_receive(uart);
			break;
		case IIR_THRE:
			uart_transmit(uart);
			break;
		case IIR_MODEM:
			uart_in(uart, UART_MSR);
			break;
		}
	}
	uart->stats.interrupts++;
	return causes;
}

void uart_stats(const struct uart *uart, struct uart_stats *stats) { *stats = uart->stats; }
