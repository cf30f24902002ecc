/*
 * Tests of the firmware in C, in one program with it, as Unity or GoogleTest would have them:
 *
 *     pagetrap run -q --svd chip.svd --board board.py:connect_terminal -- ./selftest
 *
 * The exit status is the number of tests that failed.
 */
#undef main /* that of the firmware is firmware_main, see build_program of board.py */

#include "chip.h"
#include "firmware.h"

#include <pagetrap_run.h>
#include <stdio.h>
#include <string.h>

struct terminal { /* class Terminal of board.py */
	volatile uint32_t typed, printed;
};
#define TERMINAL ((struct terminal *)0x90000000UL)

static int failed;

#define EXPECT(condition) expect(condition, #condition, __LINE__)

static void expect(int holds, const char *what, int line)
{
	if (!holds)
		printf("selftest.c:%d: %s does not hold\n", line, what), failed++;
}

static const char *say(const char *command)
{
	static char answer[64];
	uint32_t length = 0;

	while (TERMINAL->printed)
		;
	while (*command)
		TERMINAL->typed = (unsigned char)*command++;
	TERMINAL->typed = '\n';
	app_poll();
	while (length < sizeof answer - 1 && (answer[length] = (char)TERMINAL->printed) != 0)
		length++;
	answer[length] = 0;
	return answer;
}

static void test_clock(void)
{
	EXPECT(core_clock == 168000000U);
	EXPECT(RCC->PLLCFGR >> 29 == 1); /* reserved, and 1 after reset */
}

static void test_baud(void)
{
	uint32_t baud = 168000000U / 4U / USART2->BRR; /* PCLK1 is a quarter of the core's clock */

	EXPECT(baud > 114048 && baud < 116352);
}

static void test_commands(void)
{
	EXPECT(strcmp(say("show"), "station, every 1000 ms\n") == 0);
	EXPECT(strcmp(say("name north"), "ok\n") == 0);
	EXPECT(strcmp(say("nonsense"), "error\n") == 0);
}

static void test_delay(void)
{
	uint64_t before = pagetrap_now_ns();

	delay_ms(20);
	EXPECT(pagetrap_now_ns() - before >= 19000000 && pagetrap_now_ns() - before < 21000000);
}

static void test_settings(void)
{
	uint8_t data[200], again[200];

	for (uint32_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7U);
	EXPECT(eeprom_write(0x1030, data, sizeof data) == OK);
	EXPECT(eeprom_read(0x1030, again, sizeof again) == OK);
	EXPECT(memcmp(data, again, sizeof data) == 0);
	EXPECT(strcmp(say("save"), "ok\n") == 0);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "clock", test_clock }, { "baud", test_baud },		{ "commands", test_commands },
		{ "delay", test_delay }, { "settings", test_settings },
	};

	app_init();
	for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
		int before = failed;

		pagetrap_mark(tests[i].name);
		tests[i].run();
		printf("%s %s\n", failed == before ? "ok    " : "FAILED", tests[i].name);
	}
	return failed;
}
