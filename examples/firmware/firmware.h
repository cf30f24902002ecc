/* What the parts of the firmware have for each other. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include <stdint.h>

enum { OK = 0, TIMED_OUT = -1, NO_ANSWER = -2, BAD_VALUE = -3 };

/* clock.c: Hz of the core and of the buses' peripherals. */
extern uint32_t core_clock, apb1_clock, apb1_timer_clock;
int clock_init(void);

/* ticks.c: milliseconds since ticks_init(). */
void ticks_init(void);
uint32_t ticks_now(void);
void delay_ms(uint32_t duration);

/* uart.c */
extern volatile uint32_t uart_overruns;
void uart_init(uint32_t baud);
int uart_getc(void); /* -1 when nothing has come */
void uart_putc(char character);
void uart_puts(const char *text);

/* dma.c: a text that is sent while the program goes on; TIMED_OUT while the last one still is. */
extern volatile uint32_t dma_errors;
void dma_init(void);
int dma_puts(const char *text);

/* i2c.c: a transfer is i2c_begin, i2c_send or i2c_receive, i2c_end. */
enum { I2C_WRITE = 0, I2C_READ = 1 };
void i2c_init(void);
int i2c_begin(uint8_t address, int direction);
int i2c_send(uint8_t byte);
int i2c_receive(uint8_t *data, uint32_t length); /* with the stop condition */
void i2c_end(void);

/* eeprom.c: a 24LC256. */
enum { EEPROM_SIZE = 32768, EEPROM_PAGE = 64 };
int eeprom_write(uint32_t address, const void *data, uint32_t length);
int eeprom_read(uint32_t address, void *data, uint32_t length);

/* led.c: PA5. */
void led_init(void);
void led_blink(uint32_t period_ms);

/* settings.c */
struct settings {
	uint32_t magic;
	uint32_t period_ms;
	char name[16];
	uint32_t check;
};
extern struct settings settings;
int settings_load(void);
int settings_save(void);

/* main.c */
void app_init(void);
int app_poll(void); /* carries out a command, if a line has come; returns whether */

#endif
