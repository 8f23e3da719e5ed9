#include "shuffle.h"

#include <stdlib.h>

#include "chance.h"
#include "mem.h"

#define CLASSES 32u /* by powers of two */

static uint32_t class_of(uint64_t us)
{
    uint32_t class = 0;

    for (; us > 1 && class + 1 < CLASSES; us /= 2)
        class ++;
    return class;
}

static void deal(uint32_t *at, uint32_t count, uint64_t *chance)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = (uint32_t)(chance_uniform(chance) * i), other = at[i - 1];

        at[i - 1] = at[k];
        at[k] = other;
    }
}

void shuffle(const struct trace *t, uint64_t seed, uint64_t *out_us)
{
    uint32_t *from = mem_new(t->test_count, sizeof(*from));
    uint64_t chance = seed * 131;

    for (uint32_t class = 0; class < CLASSES; class ++) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < t->test_count; i++)
            if (class_of(t->us[0][i]) == class)
                from[n++] = i;
        deal(from, n, &chance);
        for (uint32_t i = t->test_count; i-- > 0;)
            if (class_of(t->us[0][i]) == class) {
                uint32_t k = from[--n];

                out_us[i] = t->us[0][i] * t->us[1][k] / (t->us[0][k] ? t->us[0][k] : 1) + 1;
            }
    }
    free(from);
}
