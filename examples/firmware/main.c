/*
 * A station with a serial console, whose settings an EEPROM keeps.
 *
 *     show              name and period
 *     name <word>       another name
 *     blink <ms>        another period of the light
 *     save              keep both
 *     help              the commands
 */
#include "chip.h"
#include "firmware.h"

#include <stdlib.h>
#include <string.h>

static char line[40];
static uint32_t filled;

static void put_number(uint32_t number)
{
	if (number >= 10U)
		put_number(number / 10U);
	uart_putc((char)('0' + number % 10U));
}

static void answer(int result)
{
	uart_puts(result == OK ? "ok\n" : result == NO_ANSWER ? "no EEPROM\n" : "error\n");
}

static void show(void)
{
	uart_puts(settings.name);
	uart_puts(", every ");
	put_number(settings.period_ms);
	uart_puts(" ms\n");
}

static void command(void)
{
	if (strcmp(line, "show") == 0) {
		show();
	} else if (strncmp(line, "name ", 5) == 0 && line[5] && strlen(line + 5) < sizeof settings.name) {
		memset(settings.name, 0, sizeof settings.name);
		strcpy(settings.name, line + 5);
		answer(OK);
	} else if (strncmp(line, "blink ", 6) == 0 && atoi(line + 6) > 0) {
		settings.period_ms = (uint32_t)atoi(line + 6);
		led_blink(settings.period_ms);
		answer(OK);
	} else if (strcmp(line, "help") == 0) {
		if (dma_puts("show\nname <word>\nblink <ms>\nsave\n") != OK)
			answer(BAD_VALUE);
	} else if (strcmp(line, "save") == 0) {
		answer(settings_save());
	} else {
		answer(BAD_VALUE);
	}
}

void app_init(void)
{
	clock_init();
	ticks_init();
	uart_init(115200);
	dma_init();
	i2c_init();
	led_init();
	__enable_irq();
	if (settings_load() == NO_ANSWER)
		uart_puts("no EEPROM\n");
	led_blink(settings.period_ms);
	show();
}

int app_poll(void)
{
	int character;

	while ((character = uart_getc()) >= 0) {
		if (character == '\n') {
			line[filled] = 0;
			filled = 0;
			command();
			return 1;
		}
		if (filled < sizeof line - 1)
			line[filled++] = (char)character;
	}
	return 0;
}

int main(void)
{
	app_init();
	for (;;)
		if (!app_poll())
			__WFI();
}
