/* I2C1 at PB6 and PB7, as the only master, at 100 kHz. RM0090, 27.3.3. */
#include "chip.h"
#include "firmware.h"

#define POLLS 10000U

void i2c_init(void)
{
	RCC->AHB1ENR |= RCC_AHB1ENR_GPIOBEN;
	RCC->APB1ENR |= RCC_APB1ENR_I2C1EN;
	GPIOB->OTYPER |= 0xC0U; /* open drain */
	GPIOB->AFR[0] = (GPIOB->AFR[0] & ~0xFF000000U) | 0x44000000U;
	GPIOB->MODER = (GPIOB->MODER & ~0xF000U) | 0xA000U;
	I2C1->CR1 = 0;
	I2C1->CR2 = apb1_clock / 1000000U;
	I2C1->CCR = apb1_clock / 200000U;
	I2C1->TRISE = apb1_clock / 1000000U + 1U;
	I2C1->CR1 = I2C_CR1_PE;
}

/* Wait for one of the flags, or for a missing acknowledge, which is cleared. */
static int wait_for(uint32_t flags)
{
	for (uint32_t polls = 0; polls < POLLS; polls++) {
		uint32_t status = I2C1->SR1;

		if (status & I2C_SR1_AF) {
			I2C1->SR1 = I2C_SR1_ERRORS & ~I2C_SR1_AF;
			return NO_ANSWER;
		}
		if (status & flags)
			return OK;
	}
	return TIMED_OUT;
}

int i2c_begin(uint8_t address, int direction)
{
	int result;

	for (uint32_t polls = 0; I2C1->CR1 & I2C_CR1_STOP; polls++) /* 27.6.1: no write until the last stop is over */
		if (polls == POLLS)
			return TIMED_OUT;
	I2C1->CR1 |= I2C_CR1_START;
	if ((result = wait_for(I2C_SR1_SB)) != OK)
		return result;
	I2C1->DR = (uint32_t)address << 1 | (uint32_t)direction;
	if ((result = wait_for(I2C_SR1_ADDR)) != OK)
		return result;
	if (direction == I2C_WRITE)
		(void)I2C1->SR2; /* after SR1: clears ADDR */
	return OK;
}

int i2c_send(uint8_t byte)
{
	int result = wait_for(I2C_SR1_TXE);

	if (result != OK)
		return result;
	I2C1->DR = byte;
	return wait_for(I2C_SR1_BTF);
}

int i2c_receive(uint8_t *data, uint32_t length)
{
	int result;

	if (length > 1)
		I2C1->CR1 |= I2C_CR1_ACK;
	else
		I2C1->CR1 &= ~I2C_CR1_ACK;
	(void)I2C1->SR2; /* clears ADDR: the first byte comes */
	for (; length > 0; length--) {
		if (length == 1) {
			I2C1->CR1 &= ~I2C_CR1_ACK; /* not the last one */
			I2C1->CR1 |= I2C_CR1_STOP;
		}
		if ((result = wait_for(I2C_SR1_RXNE)) != OK)
			return result;
		*data++ = (uint8_t)I2C1->DR;
	}
	return OK;
}

void i2c_end(void)
{
	I2C1->CR1 |= I2C_CR1_STOP;
}
