/*
 * Registers of the chip, as far as the firmware uses them: RM0090 (STM32F407), and PM0214 for the core's own.
 * The names are those of CMSIS, so a vendor's header can take the place of this file.
 */
#ifndef CHIP_H
#define CHIP_H

#include <stdint.h>

#define __I volatile const
#define __O volatile
#define __IO volatile

/* The compiler layer. pagetrap_cmsis.h, or CMSIS's own cmsis_gcc.h, has been there first where one is used. */
#ifndef __CMSIS_GCC_H
static inline void __disable_irq(void) { __asm volatile("cpsid i" ::: "memory"); }
static inline void __enable_irq(void) { __asm volatile("cpsie i" ::: "memory"); }
#define __WFI() __asm volatile("wfi" ::: "memory")
#endif

typedef enum {
	DMA1_Stream6_IRQn = 17,
	TIM2_IRQn = 28,
	USART2_IRQn = 38,
} IRQn_Type;

typedef struct {
	__IO uint32_t CR1, CR2, SMCR, DIER, SR;
	__O uint32_t EGR;
	__IO uint32_t CCMR1, CCMR2, CCER, CNT, PSC, ARR;
} TIM_TypeDef;

typedef struct {
	__IO uint32_t SR, DR, BRR, CR1, CR2, CR3, GTPR;
} USART_TypeDef;

typedef struct {
	__IO uint32_t CR1, CR2, OAR1, OAR2, DR, SR1, SR2, CCR, TRISE, FLTR;
} I2C_TypeDef;

typedef struct {
	__IO uint32_t MODER, OTYPER, OSPEEDR, PUPDR;
	__I uint32_t IDR;
	__IO uint32_t ODR;
	__O uint32_t BSRR;
	__IO uint32_t LCKR, AFR[2];
} GPIO_TypeDef;

typedef struct {
	__IO uint32_t CR, PLLCFGR, CFGR, CIR, AHB1RSTR, AHB2RSTR, AHB3RSTR, RESERVED0;
	__IO uint32_t APB1RSTR, APB2RSTR, RESERVED1[2];
	__IO uint32_t AHB1ENR, AHB2ENR, AHB3ENR, RESERVED2;
	__IO uint32_t APB1ENR, APB2ENR;
} RCC_TypeDef;

typedef struct {
	__IO uint32_t ACR;
} FLASH_TypeDef;

typedef struct {
	__I uint32_t LISR, HISR;
	__O uint32_t LIFCR, HIFCR;
} DMA_TypeDef;

typedef struct {
	__IO uint32_t CR, NDTR, PAR, M0AR, M1AR, FCR;
} DMA_Stream_TypeDef;

typedef struct {
	__IO uint32_t CTRL, LOAD, VAL;
	__I uint32_t CALIB;
} SysTick_Type;

typedef struct {
	__IO uint32_t ISER[8], RESERVED0[24], ICER[8];
} NVIC_Type;

#define TIM2 ((TIM_TypeDef *)0x40000000UL)
#define USART2 ((USART_TypeDef *)0x40004400UL)
#define I2C1 ((I2C_TypeDef *)0x40005400UL)
#define GPIOA ((GPIO_TypeDef *)0x40020000UL)
#define GPIOB ((GPIO_TypeDef *)0x40020400UL)
#define RCC ((RCC_TypeDef *)0x40023800UL)
#define FLASH ((FLASH_TypeDef *)0x40023C00UL)
#define DMA1 ((DMA_TypeDef *)0x40026000UL)
#define DMA1_Stream6 ((DMA_Stream_TypeDef *)0x400260A0UL)
#define SRAM2_BASE 0x2001C000UL
#define SysTick ((SysTick_Type *)0xE000E010UL)
#define NVIC ((NVIC_Type *)0xE000E100UL)

#define TIM_CR1_CEN (1U << 0)
#define TIM_CR1_URS (1U << 2)
#define TIM_DIER_UIE (1U << 0)
#define TIM_SR_UIF (1U << 0)
#define TIM_SR_ALL 0x1E5FU
#define TIM_EGR_UG (1U << 0)

#define USART_SR_ORE (1U << 3)
#define USART_SR_RXNE (1U << 5)
#define USART_SR_TXE (1U << 7)
#define USART_SR_ALL 0x3FFU
#define USART_CR1_RE (1U << 2)
#define USART_CR1_TE (1U << 3)
#define USART_CR1_RXNEIE (1U << 5)
#define USART_CR1_UE (1U << 13)
#define USART_CR3_DMAT (1U << 7)

#define I2C_CR1_PE (1U << 0)
#define I2C_CR1_START (1U << 8)
#define I2C_CR1_STOP (1U << 9)
#define I2C_CR1_ACK (1U << 10)
#define I2C_SR1_SB (1U << 0)
#define I2C_SR1_ADDR (1U << 1)
#define I2C_SR1_BTF (1U << 2)
#define I2C_SR1_RXNE (1U << 6)
#define I2C_SR1_TXE (1U << 7)
#define I2C_SR1_AF (1U << 10)
#define I2C_SR1_ERRORS 0xDF00U

#define RCC_CR_HSEON (1U << 16)
#define RCC_CR_HSERDY (1U << 17)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_PLLCFGR_PLLM_Pos 0
#define RCC_PLLCFGR_PLLN_Pos 6
#define RCC_PLLCFGR_PLLP_Pos 16
#define RCC_PLLCFGR_PLLSRC_HSE (1U << 22)
#define RCC_PLLCFGR_PLLQ_Pos 24
#define RCC_PLLCFGR_FIELDS 0x0F437FFFU
#define RCC_CFGR_SW_PLL 2U
#define RCC_CFGR_SW_Msk 3U
#define RCC_CFGR_SWS_PLL (2U << 2)
#define RCC_CFGR_SWS_Msk (3U << 2)
#define RCC_CFGR_PPRE1_DIV4 (5U << 10)
#define RCC_CFGR_PPRE2_DIV2 (4U << 13)
#define RCC_AHB1ENR_GPIOAEN (1U << 0)
#define RCC_AHB1ENR_GPIOBEN (1U << 1)
#define RCC_AHB1ENR_DMA1EN (1U << 21)
#define RCC_APB1ENR_TIM2EN (1U << 0)
#define RCC_APB1ENR_USART2EN (1U << 17)
#define RCC_APB1ENR_I2C1EN (1U << 21)

#define FLASH_ACR_LATENCY_5WS 5U
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ICEN (1U << 9)
#define FLASH_ACR_DCEN (1U << 10)

#define DMA_HISR_TEIF6 (1U << 19)
#define DMA_HIFCR_STREAM6 0x3D0000U
#define DMA_SxCR_EN (1U << 0)
#define DMA_SxCR_TEIE (1U << 2)
#define DMA_SxCR_TCIE (1U << 4)
#define DMA_SxCR_DIR_TO_PERIPHERAL (1U << 6)
#define DMA_SxCR_MINC (1U << 10)
#define DMA_SxCR_CHSEL_Pos 25

#define SysTick_CTRL_ENABLE (1U << 0)
#define SysTick_CTRL_TICKINT (1U << 1)
#define SysTick_CTRL_CLKSOURCE (1U << 2)

static inline void NVIC_EnableIRQ(IRQn_Type irq) { NVIC->ISER[irq >> 5] = 1U << (irq & 31); }

#endif
