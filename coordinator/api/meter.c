#include "meter.h"

#include <stdlib.h>

#include "mem.h"

const uint64_t meter_edges_us[METER_BUCKETS] = { 1000,    5000,     10000,   25000,   50000,
                                                 100000,  250000,   500000,  1000000, 2500000,
                                                 5000000, 10000000, 30000000 };

struct meter {
    struct meter_row *rows;
    uint32_t count;
};

struct meter *meter_new(uint32_t rows)
{
    struct meter *meter = mem_new(1, sizeof(*meter));

    *meter = (struct meter){ .rows = mem_new(rows, sizeof(*meter->rows)), .count = rows };
    return meter;
}

void meter_free(struct meter *meter)
{
    if (!meter)
        return;
    free(meter->rows);
    free(meter);
}

void meter_note(struct meter *meter, uint32_t row, unsigned status, uint64_t took_us)
{
    struct meter_row *r;
    uint32_t bucket = 0;

    INVARIANT(row < meter->count && status < METER_STATUS_MAX);
    r = &meter->rows[row];
    while (bucket < METER_BUCKETS && took_us > meter_edges_us[bucket])
        bucket++;
    if (bucket < METER_BUCKETS)
        r->buckets[bucket]++;
    r->count++;
    r->took_us += took_us;
    r->by_status[status]++;
}

const struct meter_row *meter_row(const struct meter *meter, uint32_t row)
{
    INVARIANT(row < meter->count);
    return &meter->rows[row];
}
