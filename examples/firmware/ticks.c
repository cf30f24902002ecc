/* A tick a millisecond, by SysTick. */
#include "chip.h"
#include "firmware.h"

static volatile uint32_t ticks;

void SysTick_Handler(void)
{
	ticks++;
}

void ticks_init(void)
{
	SysTick->LOAD = core_clock / 1000U - 1U;
	SysTick->VAL = 0;
	SysTick->CTRL = SysTick_CTRL_CLKSOURCE | SysTick_CTRL_TICKINT | SysTick_CTRL_ENABLE;
}

uint32_t ticks_now(void)
{
	return ticks;
}

void delay_ms(uint32_t duration)
{
	uint32_t start = ticks;

	while (ticks - start < duration)
		__WFI();
}
