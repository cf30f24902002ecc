/* Texts to USART2 by DMA1, stream 6, channel 4, out of a buffer at the start of SRAM2. RM0090, 10.3. */
#include "chip.h"
#include "firmware.h"

#define BUFFER ((volatile char *)SRAM2_BASE)
#define ROOM 256U
#define USART2_TX 4U

volatile uint32_t dma_errors;

static volatile uint32_t busy;

void DMA1_Stream6_IRQHandler(void)
{
	if (DMA1->HISR & DMA_HISR_TEIF6)
		dma_errors++;
	DMA1->HIFCR = DMA_HIFCR_STREAM6;
	USART2->CR3 &= ~USART_CR3_DMAT;
	busy = 0;
}

void dma_init(void)
{
	RCC->AHB1ENR |= RCC_AHB1ENR_DMA1EN;
	NVIC_EnableIRQ(DMA1_Stream6_IRQn);
}

int dma_puts(const char *text)
{
	uint32_t length = 0;

	if (busy)
		return TIMED_OUT;
	for (; text[length]; length++) {
		if (length == ROOM)
			return BAD_VALUE;
		BUFFER[length] = text[length];
	}
	if (length == 0)
		return OK;
	busy = 1;
	DMA1_Stream6->PAR = (uint32_t)(uintptr_t)&USART2->DR;
	DMA1_Stream6->M0AR = SRAM2_BASE;
	DMA1_Stream6->NDTR = length;
	DMA1_Stream6->CR = USART2_TX << DMA_SxCR_CHSEL_Pos | DMA_SxCR_MINC | DMA_SxCR_DIR_TO_PERIPHERAL | DMA_SxCR_TEIE |
			   DMA_SxCR_TCIE | DMA_SxCR_EN;
	USART2->CR3 |= USART_CR3_DMAT;
	return OK;
}
