#include "clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_us(clockid_t id)
{
    struct timespec ts = { 0 };

    INVARIANT(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static uint64_t system_mono_us(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return read_us(CLOCK_REALTIME) / 1000u;
}

const struct clock *clock_system(void)
{
    static const struct clock clock = { .mono_us = system_mono_us, .wall_ms = system_wall_ms };

    return &clock;
}

uint64_t clock_mono_us(const struct clock *clock)
{
    return clock->mono_us(clock->ctx);
}

uint64_t clock_mono_ms(const struct clock *clock)
{
    return clock->mono_us(clock->ctx) / 1000u;
}

uint64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->ctx);
}

void clock_format(uint64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    time_t seconds = (time_t)(wall_ms / 1000u);
    struct tm tm = { 0 };
    size_t used;

    INVARIANT(gmtime_r(&seconds, &tm) != NULL);
    used = strftime(out, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + used, CLOCK_TEXT_BYTES - used, ".%03uZ", (unsigned)(wall_ms % 1000u));
}
