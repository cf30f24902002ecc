/* Settings, kept in the EEPROM with a check sum. */
#include "firmware.h"

#include <stddef.h>

#define MAGIC 0x53455431U
#define PLACE 0x0020U /* so that they lie in two pages if they grow */

struct settings settings;

static uint32_t check_sum(void)
{
	const uint8_t *bytes = (const uint8_t *)&settings;
	uint32_t sum = 2166136261U;

	for (uint32_t i = 0; i < offsetof(struct settings, check); i++)
		sum = (sum ^ bytes[i]) * 16777619U;
	return sum;
}

int settings_load(void)
{
	static const struct settings defaults = {MAGIC, 1000, "station", 0};
	int result = eeprom_read(PLACE, &settings, sizeof settings);

	if (result == OK && settings.magic == MAGIC && settings.check == check_sum())
		return OK;
	settings = defaults;
	return result == OK ? BAD_VALUE : result;
}

int settings_save(void)
{
	struct settings copy;
	int result;

	settings.check = check_sum();
	result = eeprom_write(PLACE, &settings, sizeof settings);
	if (result == OK)
		result = eeprom_read(PLACE, &copy, sizeof copy);
	if (result == OK && copy.check != settings.check)
		result = BAD_VALUE;
	return result;
}
