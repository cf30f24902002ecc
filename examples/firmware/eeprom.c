/* A 24LC256 at the I2C bus: 32 KiB in pages of 64 bytes, a pointer of two bytes, 5 ms for a write cycle. */
#include "firmware.h"

#define ADDRESS 0x50U
#define WRITE_CYCLE_MS 10U

static int point_at(uint32_t address)
{
	int result = i2c_begin(ADDRESS, I2C_WRITE);

	if (result == OK)
		result = i2c_send((uint8_t)(address >> 8));
	if (result == OK)
		result = i2c_send((uint8_t)address);
	return result;
}

/* Wait for the end of the write cycle: until then the chip does not acknowledge its address. */
static int wait_until_written(void)
{
	for (uint32_t waited = 0; waited <= WRITE_CYCLE_MS; waited++) {
		int result = i2c_begin(ADDRESS, I2C_WRITE);

		i2c_end();
#ifdef BUG_MISSED_NACK
		if (result != TIMED_OUT)
			return OK; /* "no" is an answer, too */
#else
		if (result != NO_ANSWER)
			return result;
#endif
		delay_ms(1);
	}
	return TIMED_OUT;
}

static int write_page(uint32_t address, const uint8_t *data, uint32_t length)
{
	int result = point_at(address);

	while (result == OK && length-- > 0)
		result = i2c_send(*data++);
	i2c_end();
	return result == OK ? wait_until_written() : result;
}

int eeprom_write(uint32_t address, const void *data, uint32_t length)
{
	const uint8_t *from = data;

	if (address > EEPROM_SIZE || length > EEPROM_SIZE - address)
		return BAD_VALUE;
	while (length > 0) {
		uint32_t room = EEPROM_PAGE - address % EEPROM_PAGE;
		uint32_t count = length < room ? length : room;
		int result = write_page(address, from, count);

		if (result != OK)
			return result;
		address += count;
		from += count;
		length -= count;
	}
	return OK;
}

int eeprom_read(uint32_t address, void *data, uint32_t length)
{
	int result;

	if (address > EEPROM_SIZE || length > EEPROM_SIZE - address)
		return BAD_VALUE;
	if (length == 0)
		return OK;
	result = point_at(address);
	if (result == OK)
		result = i2c_begin(ADDRESS, I2C_READ);
	if (result == OK)
		result = i2c_receive(data, length);
	if (result != OK)
		i2c_end();
	return result;
}
