/* A light at PA5, on for half of a period, by the interrupt of TIM2. RM0090, 18.4. */
#include "chip.h"
#include "firmware.h"

#define LED 5U

void TIM2_IRQHandler(void)
{
	TIM2->SR = TIM_SR_ALL & ~TIM_SR_UIF;
	GPIOA->BSRR = GPIOA->ODR & 1U << LED ? 1U << (LED + 16U) : 1U << LED;
}

void led_init(void)
{
	RCC->AHB1ENR |= RCC_AHB1ENR_GPIOAEN;
	RCC->APB1ENR |= RCC_APB1ENR_TIM2EN;
	GPIOA->MODER = (GPIOA->MODER & ~(3U << 2U * LED)) | 1U << 2U * LED;
	NVIC_EnableIRQ(TIM2_IRQn);
}

void led_blink(uint32_t period_ms)
{
	TIM2->CR1 = TIM_CR1_URS; /* stopped; UG makes no interrupt */
	TIM2->PSC = apb1_timer_clock / 10000U - 1U;
	TIM2->ARR = period_ms * 5U - 1U; /* half a period in tenths of a millisecond */
	TIM2->EGR = TIM_EGR_UG;
	TIM2->SR = TIM_SR_ALL & ~TIM_SR_UIF;
	TIM2->DIER = TIM_DIER_UIE;
	TIM2->CR1 = TIM_CR1_URS | TIM_CR1_CEN;
}
