/* SPDX-License-Identifier: MIT
 *
 * The compiler layer of CMSIS-Core (M) for the host: what firmware and vendors' headers expect of cmsis_compiler.h and
 * cmsis_gcc.h, for gcc and clang on x86. Compile with
 *
 *     gcc -include pagetrap_cmsis.h ...
 *
 * and CMSIS's own files of these names, which have Arm assembly in them, are skipped by their include guards.
 *
 * What is arithmetic on Arm is arithmetic here. What touches the core's state (PRIMASK, WFI, exclusive accesses) is an
 * access to a page of registers, which pagetrap's model of the core answers: mmio/cortex_m/intrinsics.py. So a handler
 * whose interrupt is pending runs within __enable_irq(), as on the core.
 */
#ifndef PAGETRAP_CMSIS_H
#define PAGETRAP_CMSIS_H

/* CMSIS 5 and 6, and the three files that CMSIS 4 has instead. */
#define __CMSIS_COMPILER_H
#define __CMSIS_GCC_H
#define __CMSIS_GCC_M_H
#define __CORE_CMINSTR_H
#define __CORE_CMFUNC_H
#define __CORE_CMSIMD_H

#ifndef __ASSEMBLER__

#include <stdint.h>

/* Keywords. CMSIS 4 defines the first three itself, in these very words. */
#ifndef __ASM
#define __ASM __asm
#endif
#ifndef __INLINE
#define __INLINE inline
#endif
#ifndef __STATIC_INLINE
#define __STATIC_INLINE static inline
#endif
#ifndef __STATIC_FORCEINLINE
#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline
#endif
#ifndef __NO_RETURN
#define __NO_RETURN __attribute__((__noreturn__))
#endif
#ifndef __USED
#define __USED __attribute__((used))
#endif
#ifndef __WEAK
#define __WEAK __attribute__((weak))
#endif
#ifndef __PACKED
#define __PACKED __attribute__((packed, aligned(1)))
#endif
#ifndef __PACKED_STRUCT
#define __PACKED_STRUCT struct __attribute__((packed, aligned(1)))
#endif
#ifndef __PACKED_UNION
#define __PACKED_UNION union __attribute__((packed, aligned(1)))
#endif
#ifndef __ALIGNED
#define __ALIGNED(x) __attribute__((aligned(x)))
#endif
#ifndef __RESTRICT
#define __RESTRICT __restrict
#endif
#ifndef __DEPRECATED
#define __DEPRECATED __attribute__((deprecated))
#endif
#ifndef CMSIS_DEPRECATED
#define CMSIS_DEPRECATED __attribute__((deprecated))
#endif
#ifndef __ALIAS
#define __ALIAS(x) __attribute__((alias(x)))
#endif
#ifndef __NO_INIT
#define __NO_INIT /* a program of the host clears all its variables */
#endif
#ifndef __COMPILER_BARRIER
#define __COMPILER_BARRIER() __asm__ __volatile__("" ::: "memory")
#endif

/* Accesses at any address. */
__PACKED_STRUCT pagetrap_unaligned16 { uint16_t value; };
__PACKED_STRUCT pagetrap_unaligned32 { uint32_t value; };
#ifndef __UNALIGNED_UINT16_READ
#define __UNALIGNED_UINT16_READ(address) (((const volatile struct pagetrap_unaligned16 *)(const void *)(address))->value)
#endif
#ifndef __UNALIGNED_UINT32_READ
#define __UNALIGNED_UINT32_READ(address) (((const volatile struct pagetrap_unaligned32 *)(const void *)(address))->value)
#endif
#ifndef __UNALIGNED_UINT16_WRITE
#define __UNALIGNED_UINT16_WRITE(address, data) \
	((void)(((volatile struct pagetrap_unaligned16 *)(void *)(address))->value = (uint16_t)(data)))
#endif
#ifndef __UNALIGNED_UINT32_WRITE
#define __UNALIGNED_UINT32_WRITE(address, data) \
	((void)(((volatile struct pagetrap_unaligned32 *)(void *)(address))->value = (uint32_t)(data)))
#endif
#ifndef __UNALIGNED_UINT32
#define __UNALIGNED_UINT32(address) (((volatile struct pagetrap_unaligned32 *)(void *)(address))->value)
#endif

/* The registers of the Intrinsics device. mmio/cortex_m/intrinsics.py has the same numbers, and a test compares them.
 * Where the device is mapped elsewhere, define the base before. */
#ifndef PAGETRAP_INTRINSICS
#define PAGETRAP_INTRINSICS 0xE00FE000UL
#endif
#define PAGETRAP_PRIMASK 0x00
#define PAGETRAP_FAULTMASK 0x04
#define PAGETRAP_BASEPRI 0x08
#define PAGETRAP_BASEPRI_MAX 0x0C
#define PAGETRAP_IPSR 0x10
#define PAGETRAP_CONTROL 0x14
#define PAGETRAP_MSP 0x18
#define PAGETRAP_PSP 0x1C
#define PAGETRAP_FPSCR 0x20
#define PAGETRAP_WFI 0x24
#define PAGETRAP_WFE 0x28
#define PAGETRAP_SEV 0x2C
#define PAGETRAP_BKPT 0x30
#define PAGETRAP_MONITOR 0x34
#define PAGETRAP_STORE 0x38

/* A handler may run within each of these, so memory is not kept in registers across one. */
__STATIC_FORCEINLINE uint32_t pagetrap_get(uint32_t offset)
{
	uint32_t value;

	__COMPILER_BARRIER();
	value = *(volatile uint32_t *)(uintptr_t)(PAGETRAP_INTRINSICS + offset);
	__COMPILER_BARRIER();
	return value;
}

__STATIC_FORCEINLINE void pagetrap_set(uint32_t offset, uint32_t value)
{
	__COMPILER_BARRIER();
	*(volatile uint32_t *)(uintptr_t)(PAGETRAP_INTRINSICS + offset) = value;
	__COMPILER_BARRIER();
}

/* Interrupts. */
__STATIC_FORCEINLINE void __enable_irq(void) { pagetrap_set(PAGETRAP_PRIMASK, 0); }
__STATIC_FORCEINLINE void __disable_irq(void) { pagetrap_set(PAGETRAP_PRIMASK, 1); }
__STATIC_FORCEINLINE uint32_t __get_PRIMASK(void) { return pagetrap_get(PAGETRAP_PRIMASK); }
__STATIC_FORCEINLINE void __set_PRIMASK(uint32_t value) { pagetrap_set(PAGETRAP_PRIMASK, value); }
__STATIC_FORCEINLINE void __enable_fault_irq(void) { pagetrap_set(PAGETRAP_FAULTMASK, 0); }
__STATIC_FORCEINLINE void __disable_fault_irq(void) { pagetrap_set(PAGETRAP_FAULTMASK, 1); }
__STATIC_FORCEINLINE uint32_t __get_FAULTMASK(void) { return pagetrap_get(PAGETRAP_FAULTMASK); }
__STATIC_FORCEINLINE void __set_FAULTMASK(uint32_t value) { pagetrap_set(PAGETRAP_FAULTMASK, value); }
__STATIC_FORCEINLINE uint32_t __get_BASEPRI(void) { return pagetrap_get(PAGETRAP_BASEPRI); }
__STATIC_FORCEINLINE void __set_BASEPRI(uint32_t value) { pagetrap_set(PAGETRAP_BASEPRI, value); }
__STATIC_FORCEINLINE void __set_BASEPRI_MAX(uint32_t value) { pagetrap_set(PAGETRAP_BASEPRI_MAX, value); }

/* Other special registers. The T bit of EPSR (bit 24 of xPSR) reads as 0 on the core, too; its flags are not known. */
__STATIC_FORCEINLINE uint32_t __get_IPSR(void) { return pagetrap_get(PAGETRAP_IPSR); }
__STATIC_FORCEINLINE uint32_t __get_xPSR(void) { return pagetrap_get(PAGETRAP_IPSR); }
__STATIC_FORCEINLINE uint32_t __get_APSR(void) { return 0; }
__STATIC_FORCEINLINE uint32_t __get_CONTROL(void) { return pagetrap_get(PAGETRAP_CONTROL); }
__STATIC_FORCEINLINE void __set_CONTROL(uint32_t value) { pagetrap_set(PAGETRAP_CONTROL, value); }
__STATIC_FORCEINLINE uint32_t __get_MSP(void) { return pagetrap_get(PAGETRAP_MSP); }
__STATIC_FORCEINLINE void __set_MSP(uint32_t value) { pagetrap_set(PAGETRAP_MSP, value); }
__STATIC_FORCEINLINE uint32_t __get_PSP(void) { return pagetrap_get(PAGETRAP_PSP); }
__STATIC_FORCEINLINE void __set_PSP(uint32_t value) { pagetrap_set(PAGETRAP_PSP, value); }
__STATIC_FORCEINLINE uint32_t __get_FPSCR(void) { return pagetrap_get(PAGETRAP_FPSCR); }
__STATIC_FORCEINLINE void __set_FPSCR(uint32_t value) { pagetrap_set(PAGETRAP_FPSCR, value); }

/* Hints, barriers, breakpoints. CMSIS has most of these as macros, and some code looks whether one is defined. */
__STATIC_FORCEINLINE void pagetrap_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#ifndef __NOP
#define __NOP() __asm__ __volatile__("nop")
#endif
#ifndef __WFI
#define __WFI() pagetrap_set(PAGETRAP_WFI, 1)
#endif
#ifndef __WFE
#define __WFE() pagetrap_set(PAGETRAP_WFE, 1)
#endif
#ifndef __SEV
#define __SEV() pagetrap_set(PAGETRAP_SEV, 1)
#endif
#ifndef __BKPT
#define __BKPT(value) pagetrap_set(PAGETRAP_BKPT, (value))
#endif
__STATIC_FORCEINLINE void __ISB(void) { pagetrap_fence(); }
__STATIC_FORCEINLINE void __DSB(void) { pagetrap_fence(); }
__STATIC_FORCEINLINE void __DMB(void) { pagetrap_fence(); }

/* Arithmetic. */
__STATIC_FORCEINLINE uint32_t __REV(uint32_t value) { return __builtin_bswap32(value); }
__STATIC_FORCEINLINE int16_t __REVSH(int16_t value) { return (int16_t)__builtin_bswap16((uint16_t)value); }

__STATIC_FORCEINLINE uint32_t __REV16(uint32_t value)
{
	return (value & 0x00FF00FFU) << 8 | (value >> 8 & 0x00FF00FFU);
}

__STATIC_FORCEINLINE uint32_t __ROR(uint32_t value, uint32_t count)
{
	return value >> (count & 31U) | value << (-count & 31U);
}

__STATIC_FORCEINLINE uint32_t __RBIT(uint32_t value)
{
	value = __builtin_bswap32(value);
	value = (value & 0x0F0F0F0FU) << 4 | (value >> 4 & 0x0F0F0F0FU);
	value = (value & 0x33333333U) << 2 | (value >> 2 & 0x33333333U);
	return (value & 0x55555555U) << 1 | (value >> 1 & 0x55555555U);
}

__STATIC_FORCEINLINE uint8_t __CLZ(uint32_t value)
{
	return value ? (uint8_t)__builtin_clz(value) : 32U;
}

/* Saturate to a signed number of 1 to 32 bits. */
__STATIC_FORCEINLINE int32_t __SSAT(int32_t value, uint32_t bits)
{
	const int64_t top = ((int64_t)1 << ((bits - 1U) & 31U)) - 1;

	return value > top ? (int32_t)top : value < -top - 1 ? (int32_t)(-top - 1) : value;
}

/* Saturate to an unsigned number of 0 to 31 bits. */
__STATIC_FORCEINLINE uint32_t __USAT(int32_t value, uint32_t bits)
{
	const int64_t top = ((int64_t)1 << (bits & 31U)) - 1;

	return value < 0 ? 0U : value > top ? (uint32_t)top : (uint32_t)value;
}

/* Exclusive accesses: plain ones, and the core's monitor. A read of STORE answers 1 if the monitor is still set, and no
 * handler runs from there to the write of STORE: the store happens in between. */
__STATIC_FORCEINLINE void __CLREX(void) { pagetrap_set(PAGETRAP_MONITOR, 0); }

#define PAGETRAP_EXCLUSIVE(letter, type) \
	__STATIC_FORCEINLINE type __LDREX##letter(volatile type *address) \
	{ \
		type value; \
		pagetrap_set(PAGETRAP_MONITOR, 1); \
		value = *address; \
		__COMPILER_BARRIER(); \
		return value; \
	} \
	__STATIC_FORCEINLINE uint32_t __STREX##letter(type value, volatile type *address) \
	{ \
		if (!pagetrap_get(PAGETRAP_STORE)) \
			return 1U; \
		*address = value; \
		pagetrap_set(PAGETRAP_STORE, 0); \
		return 0U; \
	}

PAGETRAP_EXCLUSIVE(B, uint8_t)
PAGETRAP_EXCLUSIVE(H, uint16_t)
PAGETRAP_EXCLUSIVE(W, uint32_t)

/* Unprivileged accesses: plain ones. */
#define PAGETRAP_UNPRIVILEGED(letter, type) \
	__STATIC_FORCEINLINE type __LDR##letter(volatile type *address) { return *address; } \
	__STATIC_FORCEINLINE void __STR##letter(type value, volatile type *address) { *address = value; }

PAGETRAP_UNPRIVILEGED(BT, uint8_t)
PAGETRAP_UNPRIVILEGED(HT, uint16_t)
PAGETRAP_UNPRIVILEGED(T, uint32_t)

#endif /* __ASSEMBLER__ */
#endif /* PAGETRAP_CMSIS_H */
