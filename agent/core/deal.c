#include "deal.h"

#include <stdlib.h>

#include "mem.h"

#define NOBODY UINT32_MAX

struct pile {
    struct pool *pool;
    uint32_t owner; /* slot; of a pile that is not shared */
};

struct deal {
    struct pile *piles;
    uint32_t pile_count;
    uint32_t *pile_of; /* by slot */
    size_t slot_cap;
};

struct deal *deal_new(const struct pool_input *in, uint32_t piles)
{
    struct deal *deal = mem_new(1, sizeof(*deal));

    INVARIANT(piles > 0);
    deal->piles = mem_new(piles, sizeof(*deal->piles));
    deal->pile_count = piles;
    for (uint32_t i = 0; i < piles; i++)
        deal->piles[i] = (struct pile){ .pool = pool_new(in), .owner = NOBODY };
    return deal;
}

void deal_grow(struct deal *deal, const struct pool_input *in)
{
    for (uint32_t i = 0; i < deal->pile_count; i++) {
        struct pool *grown = pool_grown(deal->piles[i].pool, in);

        pool_free(deal->piles[i].pool);
        deal->piles[i].pool = grown;
    }
}

void deal_free(struct deal *deal)
{
    if (!deal)
        return;
    for (uint32_t i = 0; i < deal->pile_count; i++)
        pool_free(deal->piles[i].pool);
    free(deal->piles);
    free(deal->pile_of);
    free(deal);
}

/* The first pile that nobody deals from and that has something left. */
static uint32_t find_pile(const struct deal *deal)
{
    for (uint32_t i = 0; i < deal->pile_count; i++) {
        if (deal->piles[i].owner == NOBODY && pool_free_count(deal->piles[i].pool) > 0)
            return i;
    }
    for (uint32_t i = 0; i < deal->pile_count; i++) {
        if (deal->piles[i].owner == NOBODY)
            return i;
    }
    UNREACHABLE("more workers than piles");
}

void deal_join(struct deal *deal, uint32_t slot, uint32_t speed_ppm)
{
    uint32_t pile = deal->pile_count == 1 ? 0 : find_pile(deal);

    deal->pile_of =
        mem_grow(deal->pile_of, &deal->slot_cap, (size_t)slot + 1, sizeof(*deal->pile_of));
    deal->pile_of[slot] = pile;
    deal->piles[pile].owner = slot;
    pool_join(deal->piles[pile].pool, slot, 1, speed_ppm);
}

struct pool *deal_pile(const struct deal *deal, uint32_t slot)
{
    return deal->piles[deal->pile_of[slot]].pool;
}

void deal_leave(struct deal *deal, uint32_t slot)
{
    struct pile *pile = &deal->piles[deal->pile_of[slot]];

    pool_leave(pile->pool, slot);
    if (pile->owner == slot)
        pile->owner = NOBODY;
}

void deal_put_back(struct deal *deal, uint32_t test)
{
    for (uint32_t i = 0; i < deal->pile_count; i++)
        pool_put_back(deal->piles[i].pool, test);
}

void deal_recost(struct deal *deal, uint32_t test, uint64_t cost_us)
{
    for (uint32_t i = 0; i < deal->pile_count; i++)
        pool_recost(deal->piles[i].pool, test, cost_us);
}

void deal_rescope(struct deal *deal, uint32_t scope, uint64_t setup_us)
{
    for (uint32_t i = 0; i < deal->pile_count; i++)
        pool_rescope(deal->piles[i].pool, scope, setup_us);
}

void deal_hurry(struct deal *deal, uint32_t test)
{
    for (uint32_t i = 0; i < deal->pile_count; i++)
        pool_hurry(deal->piles[i].pool, test);
}

bool deal_withdraw(struct deal *deal, uint32_t test)
{
    if (deal->pile_count > 1 || pool_holder(deal->piles[0].pool, test) != POOL_NONE ||
        pool_unit_owner(deal->piles[0].pool, test) != POOL_NONE)
        return false;
    pool_finish(deal->piles[0].pool, test);
    return true;
}

uint32_t deal_free_count(const struct deal *deal)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < deal->pile_count; i++)
        count += pool_free_count(deal->piles[i].pool);
    return count;
}

uint64_t deal_free_us(const struct deal *deal)
{
    uint64_t sum_us = 0;

    for (uint32_t i = 0; i < deal->pile_count; i++)
        sum_us += pool_free_us(deal->piles[i].pool);
    return sum_us;
}

uint64_t deal_waiting_us(const struct deal *deal)
{
    uint64_t sum_us = 0;

    for (uint32_t i = 0; i < deal->pile_count; i++)
        sum_us += pool_waiting_us(deal->piles[i].pool);
    return sum_us;
}

bool deal_wants(const struct deal *deal, uint32_t coming)
{
    if (deal->pile_count == 1)
        return pool_free_count(deal->piles[0].pool) > coming;
    for (uint32_t i = 0; i < deal->pile_count; i++) {
        if (deal->piles[i].owner == NOBODY && pool_free_count(deal->piles[i].pool) > 0)
            return true;
    }
    return false;
}
