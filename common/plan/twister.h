/* twister.h - the Mersenne Twister (MT19937) seeded and used as Python's random module does. */
#pragma once

#include "base.h"

#define TWISTER_WORDS 624u

struct twister {
    uint32_t state[TWISTER_WORDS];
    uint32_t at;
};

void twister_seed(struct twister *t, uint64_t seed); /* random.Random(seed) */
uint32_t twister_next(struct twister *t);
uint32_t twister_below(struct twister *t, uint32_t n);                    /* randrange(n), n > 0 */
void twister_shuffle(struct twister *t, uint32_t *items, uint32_t count); /* shuffle(items) */
