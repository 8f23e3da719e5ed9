/* chance.h - numbers that look random and are the same in every run (splitmix64). */
#pragma once

#include <stdint.h>

static inline uint64_t chance_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* In [0, n). */
static inline uint32_t chance_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(chance_next(state) % n);
}
