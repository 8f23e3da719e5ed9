/* clock.h - time behind a struct, so that a test can own it. Only clock.c reads a real clock. */
#pragma once

#include "base.h"

struct clock {
    uint64_t (*mono_us)(void *ctx); /* never jumps; for deadlines and durations */
    uint64_t (*wall_ms)(void *ctx); /* Unix time; for people and for certificates */
    void *ctx;
};

/* The machine's clocks. */
const struct clock *clock_system(void);

uint64_t clock_mono_us(const struct clock *clock);
uint64_t clock_mono_ms(const struct clock *clock);
uint64_t clock_wall_ms(const struct clock *clock);

/* Unix milliseconds as "2026-01-31T09:05:07.123Z" (RFC 3339, 24 bytes and a NUL). */
#define CLOCK_TEXT_BYTES 32
void clock_format(uint64_t wall_ms, char out[CLOCK_TEXT_BYTES]);
