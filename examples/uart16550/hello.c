/* SPDX-License-Identifier: MIT
 *
 * A program that says hello through COM1, as root on a PC that has one, or anywhere under
 *
 *     pagetrap run --device examples/uart16550/uart.py:Uart@ports:0x3f8+8 -- ./hello
 */
#include "uart16550.h"

#include <stdio.h>
#include <string.h>
#include <sys/io.h>

static const char *const names[] = {"nothing", "a 16450", "a 16550A"};

int main(void)
{
	static const char text[] = "hello, line\r\n";
	struct uart_stats stats;
	struct uart *uart;
	int result;

	if (ioperm(0x3f8, 8, 1)) {
		perror("ioperm");
		return 1;
	}
	uart = uart_at_port(0x3f8);
	printf("0x3f8: %s\n", names[uart_probe(uart)]);
	result = uart_open(uart, 9600);
	if (result) {
		fprintf(stderr, "uart_open: %s\n", strerror(-result));
		return 1;
	}
	uart_write(uart, text, strlen(text));
	do { /* nobody calls a program's interrupt handler, so it polls */
		uart_irq(uart);
		uart_stats(uart, &stats);
	} while (stats.sent < strlen(text));
	uart_close(uart);
	return 0;
}
