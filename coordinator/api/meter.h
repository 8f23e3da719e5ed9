/* meter.h - how many requests each row of a table got, how they were answered, and in what time. */
#pragma once

#include "base.h"

#define METER_STATUS_MAX 600u

#define METER_BUCKETS 13u

/* Upper edges of the histogram; pulls are held for up to 30 s. */
extern const uint64_t meter_edges_us[METER_BUCKETS];

struct meter_row {
    uint64_t count, took_us;              /* sums */
    uint64_t buckets[METER_BUCKETS];      /* not above the edge, and above the one before */
    uint64_t by_status[METER_STATUS_MAX]; /* 0: the client left before */
};

struct meter *meter_new(uint32_t rows);
void meter_free(struct meter *meter); /* NULL is fine */
void meter_note(struct meter *meter, uint32_t row, unsigned status, uint64_t took_us);
const struct meter_row *meter_row(const struct meter *meter, uint32_t row);
