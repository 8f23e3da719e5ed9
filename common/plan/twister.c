#include "plan/twister.h"

#define SHIFT 397u

static void seed_one(struct twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < TWISTER_WORDS; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->at = TWISTER_WORDS;
}

/* By an array of words, as Python does for every integer: the number's words, least first. */
void twister_seed(struct twister *t, uint64_t seed)
{
    uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) }, words = key[1] ? 2 : 1;
    uint32_t i = 1, k = 0;

    seed_one(t, 19650218u);
    for (uint32_t step = 0; step < TWISTER_WORDS; step++) {
        uint32_t before = t->state[i - 1];

        t->state[i] = (t->state[i] ^ (before ^ before >> 30) * 1664525u) + key[k] + k;
        k = (k + 1) % words;
        if (++i == TWISTER_WORDS) {
            t->state[0] = t->state[TWISTER_WORDS - 1];
            i = 1;
        }
    }
    for (uint32_t step = 0; step < TWISTER_WORDS - 1; step++) {
        uint32_t before = t->state[i - 1];

        t->state[i] = (t->state[i] ^ (before ^ before >> 30) * 1566083941u) - i;
        if (++i == TWISTER_WORDS) {
            t->state[0] = t->state[TWISTER_WORDS - 1];
            i = 1;
        }
    }
    t->state[0] = 0x80000000u;
}

static void refill(struct twister *t)
{
    for (uint32_t i = 0; i < TWISTER_WORDS; i++) {
        uint32_t y =
            (t->state[i] & 0x80000000u) | (t->state[(i + 1) % TWISTER_WORDS] & 0x7fffffffu);

        t->state[i] = t->state[(i + SHIFT) % TWISTER_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->at = 0;
}

uint32_t twister_next(struct twister *t)
{
    uint32_t y;

    if (t->at == TWISTER_WORDS)
        refill(t);
    y = t->state[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

uint32_t twister_below(struct twister *t, uint32_t n)
{
    uint32_t bits = 0, v;

    INVARIANT(n > 0);
    while (bits < 32 && n >> bits)
        bits++;
    do
        v = twister_next(t) >> (32 - bits);
    while (v >= n);
    return v;
}

void twister_shuffle(struct twister *t, uint32_t *items, uint32_t count)
{
    for (uint32_t i = count; i-- > 1;) {
        uint32_t j = twister_below(t, i + 1), kept = items[i];

        items[i] = items[j];
        items[j] = kept;
    }
}
