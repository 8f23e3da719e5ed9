/* pack_load.h - what each machine of a static plan has to do, and shortening the longest by moving
 * and swapping. Not for: anybody but pack.c. */
#pragma once

#include "plan/pack.h"

/* What is moved as one: a test, or a unit. Its tests are order[first .. first + count). */
struct pack_item {
    uint64_t cost_us;
    uint32_t first, count;
};

struct pack_load;

/* Everything given is lent until free. No item is placed yet. */
struct pack_load *pack_load_new(const struct pack_input *in, const struct pack_item *items,
                                uint32_t item_count, const uint32_t *order);
void pack_load_free(struct pack_load *load);

void pack_load_put(struct pack_load *load, uint32_t item, uint32_t machine);
uint32_t pack_load_machine(const struct pack_load *load, uint32_t item);
uint64_t pack_load_us(const struct pack_load *load, uint32_t machine);

/* The machine's load if item were put there too. */
uint64_t pack_load_with(const struct pack_load *load, uint32_t item, uint32_t machine);

/* Moves and swaps until the longest machine cannot be shortened by one, or effort is spent. */
void pack_load_improve(struct pack_load *load);

uint64_t pack_load_longest_us(const struct pack_load *load);
uint64_t pack_load_setup_us(const struct pack_load *load);
