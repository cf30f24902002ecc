/* 168 MHz from a crystal of 8 MHz; the internal 16 MHz when there is no crystal. RM0090, 7.2 and 7.3. */
#include "chip.h"
#include "firmware.h"

#define HSI_CLOCK 16000000U
#define POLLS 20000U

uint32_t core_clock = HSI_CLOCK, apb1_clock = HSI_CLOCK, apb1_timer_clock = HSI_CLOCK;

static int wait_for(volatile uint32_t *reg, uint32_t mask, uint32_t value)
{
	for (uint32_t polls = 0; polls < POLLS; polls++)
		if ((*reg & mask) == value)
			return OK;
	return TIMED_OUT;
}

int clock_init(void)
{
	uint32_t divide = 8U << RCC_PLLCFGR_PLLM_Pos | 336U << RCC_PLLCFGR_PLLN_Pos | 0U << RCC_PLLCFGR_PLLP_Pos |
			  7U << RCC_PLLCFGR_PLLQ_Pos | RCC_PLLCFGR_PLLSRC_HSE;

	RCC->CR |= RCC_CR_HSEON;
	if (wait_for(&RCC->CR, RCC_CR_HSERDY, RCC_CR_HSERDY) != OK) {
		RCC->CR &= ~RCC_CR_HSEON;
		return TIMED_OUT;
	}
#ifdef BUG_RESERVED_BIT
	RCC->PLLCFGR = divide; /* bit 29 is reserved and 1 after reset */
#else
	RCC->PLLCFGR = (RCC->PLLCFGR & ~RCC_PLLCFGR_FIELDS) | divide;
#endif
	RCC->CR |= RCC_CR_PLLON;
	FLASH->ACR = FLASH_ACR_LATENCY_5WS | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
	RCC->CFGR |= RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
	if (wait_for(&RCC->CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY) != OK)
		return TIMED_OUT;
	RCC->CFGR = (RCC->CFGR & ~RCC_CFGR_SW_Msk) | RCC_CFGR_SW_PLL;
	if (wait_for(&RCC->CFGR, RCC_CFGR_SWS_Msk, RCC_CFGR_SWS_PLL) != OK)
		return TIMED_OUT;
	core_clock = 168000000U;
	apb1_clock = core_clock / 4U;
	apb1_timer_clock = apb1_clock * 2U; /* RM0090, 7.2: twice the bus's where the bus is divided */
	return OK;
}
