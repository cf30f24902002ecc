/* A meter that raises an alarm when a reading is over its limit. It has a bug: find it with find.py. */

#include <stdint.h>
#include <string.h>

struct meter {
    char label[16];
    uint32_t limit;
    uint32_t readings;
    uint32_t last[8];
};

static struct meter meters[4];

struct meter *meter_get(int number)
{
    return &meters[number];
}

uint32_t *meter_limit(struct meter *meter)
{
    return &meter->limit;
}

void meter_configure(struct meter *meter, uint32_t limit)
{
    memset(meter, 0, sizeof *meter);
    meter->limit = limit;
}

/* Names longer than the label are cut. */
void meter_rename(struct meter *meter, const char *name)
{
    size_t length = strlen(name);

    if (length > sizeof meter->label)
        length = sizeof meter->label;
    memcpy(meter->label, name, length);
    meter->label[length] = '\0';
}

/* Takes a reading; returns whether that is an alarm. */
int meter_read(struct meter *meter, uint32_t value)
{
    meter->last[meter->readings++ % 8] = value;
    return value > meter->limit;
}
