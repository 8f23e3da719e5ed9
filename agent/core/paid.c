#include "paid.h"

#include <stdlib.h>

#include "mem.h"

#define WORKER_BITS 64u /* more workers share bits: the price is then rather too high */

struct price {
    uint64_t us;
    uint64_t workers; /* a bit for each that was in the scope */
};

struct paid {
    const struct suite *suite;
    struct price *prices; /* by scope */
    uint64_t wider_us;
};

struct paid *paid_new(const struct suite *suite)
{
    struct paid *paid = mem_new(1, sizeof(*paid));

    paid->suite = suite;
    paid->prices = mem_new(suite->scope_count, sizeof(*paid->prices));
    return paid;
}

void paid_free(struct paid *paid)
{
    if (!paid)
        return;
    free(paid->prices);
    free(paid);
}

void paid_grow(struct paid *paid, const struct suite *suite)
{
    paid->prices = mem_extend(paid->prices, paid->suite->scope_count, suite->scope_count,
                              sizeof(*paid->prices));
    paid->suite = suite;
}

void paid_add(struct paid *paid, const char *kind, const char *id, uint64_t us)
{
    uint32_t scope = suite_find_scope(paid->suite, kind, id);

    if (scope == POOL_NONE)
        paid->wider_us += us;
    else
        paid->prices[scope].us += us;
}

void paid_ran(struct paid *paid, uint32_t test, uint32_t worker)
{
    uint32_t scope = paid->suite->tests[test].scope;

    for (; scope != POOL_NONE; scope = paid->suite->scopes[scope].parent)
        paid->prices[scope].workers |= 1ull << worker % WORKER_BITS;
}

uint64_t paid_entry_us(const struct paid *paid, uint32_t scope)
{
    uint64_t workers = 0;

    for (uint64_t left = paid->prices[scope].workers; left; left &= left - 1)
        workers++;
    return workers > 0 ? paid->prices[scope].us / workers : 0;
}

uint64_t paid_least_us(const struct paid *paid)
{
    uint64_t sum_us = paid->wider_us;

    for (uint32_t i = 0; i < paid->suite->scope_count; i++)
        sum_us += paid_entry_us(paid, i);
    return sum_us;
}
