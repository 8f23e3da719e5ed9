/* pool_asking.h - a taker asks the pool, and takes what it is given. */
#pragma once

#include "plan/pool.h"

#define AVERAGE 1000000u
#define MS      1000u
#define PLAIN   .scope = POOL_NONE, .group = POOL_NONE, .mutex = POOL_NONE, .threads = 1

static inline uint32_t choose(const struct pool *pool, uint32_t taker, uint32_t free_workers,
                              uint32_t *out, uint32_t max)
{
    const struct pool_ask ask = { .taker = taker,
                                  .free_workers = free_workers,
                                  .backlog_us = pool_held_us(pool, taker) };

    return pool_choose(pool, &ask, out, max);
}

static inline uint32_t choose_and_take(struct pool *pool, uint32_t taker, uint32_t free_workers,
                                       uint32_t *out, uint32_t max)
{
    uint32_t n = choose(pool, taker, free_workers, out, max);

    for (uint32_t i = 0; i < n; i++)
        pool_take(pool, taker, out[i]);
    return n;
}
