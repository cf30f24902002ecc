/* USART2 at PA2 and PA3: received by interrupt into a ring, sent by polling. RM0090, 30. */
#include "chip.h"
#include "firmware.h"

#define RING 64U
#define POLLS 2000U /* a character at 115200 baud takes some 900 */

volatile uint32_t uart_overruns;

static volatile uint8_t ring[RING];
static volatile uint32_t head, tail; /* received, and taken, so far */

void USART2_IRQHandler(void)
{
	uint32_t status = USART2->SR;

	if (status & USART_SR_ORE)
		uart_overruns++;
	if (status & (USART_SR_RXNE | USART_SR_ORE)) {
		uint8_t character = (uint8_t)USART2->DR; /* clears RXNE and ORE */

#ifdef BUG_LOST_CHARACTER
		USART2->SR = USART_SR_ALL & ~USART_SR_RXNE; /* and RXNE of the next character, if that has come by now */
#endif
		if (head - tail < RING)
			ring[head++ % RING] = character;
		else
			uart_overruns++;
	}
}

void uart_init(uint32_t baud)
{
#ifdef BUG_BAUD
	uint32_t clock = core_clock;
#else
	uint32_t clock = apb1_clock;
#endif

	RCC->AHB1ENR |= RCC_AHB1ENR_GPIOAEN;
	RCC->APB1ENR |= RCC_APB1ENR_USART2EN;
	GPIOA->AFR[0] = (GPIOA->AFR[0] & ~0xFF00U) | 0x7700U; /* AF7 */
	GPIOA->MODER = (GPIOA->MODER & ~0xF0U) | 0xA0U;	      /* alternate function */
	USART2->BRR = (clock + baud / 2U) / baud;
	USART2->CR1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
	NVIC_EnableIRQ(USART2_IRQn);
}

int uart_getc(void)
{
	return head == tail ? -1 : ring[tail++ % RING];
}

void uart_putc(char character)
{
#ifdef BUG_NO_TIMEOUT
	while (!(USART2->SR & USART_SR_TXE))
		;
#else
	for (uint32_t polls = 0; !(USART2->SR & USART_SR_TXE); polls++)
		if (polls == POLLS)
			return; /* the transmitter is dead, and the rest of the station goes on */
#endif
	USART2->DR = (uint8_t)character;
}

void uart_puts(const char *text)
{
	while (*text)
		uart_putc(*text++);
}
