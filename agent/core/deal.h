/* deal.h - what the workers of this machine are dealt their tests from: one pile for all of them,
 * or, when each is to run everything, a pile of its own for each. Pure.
 *
 * A pile is a pool (common/plan/pool.h) and is dealt from by it. Who takes the place of a worker
 * that died goes on with that worker's pile. Not for: deciding who gets what (dispatch, pool). */
#pragma once

#include "plan/pool.h"

struct deal;

/* piles: 1, or as many as there are to be workers. */
struct deal *deal_new(const struct pool_input *in, uint32_t piles);
void deal_free(struct deal *deal); /* NULL is fine */

/* More tests turned up, absent so far; in as for pool_grown. */
void deal_grow(struct deal *deal, const struct pool_input *in);

/* A worker comes and goes. */
void deal_join(struct deal *deal, uint32_t slot, uint32_t speed_ppm);
void deal_leave(struct deal *deal, uint32_t slot);

/* The pile that the worker is dealt from. It has joined, and may have left. */
struct pool *deal_pile(const struct deal *deal, uint32_t slot);

/* In every pile. */
void deal_put_back(struct deal *deal, uint32_t test);
void deal_recost(struct deal *deal, uint32_t test, uint64_t cost_us);
void deal_rescope(struct deal *deal, uint32_t scope, uint64_t setup_us);
void deal_hurry(struct deal *deal, uint32_t test);
/* Takes it out of the only pile if nobody holds it; false, too, where there are several. */
bool deal_withdraw(struct deal *deal, uint32_t test);

uint32_t deal_free_count(const struct deal *deal); /* of all piles */
uint64_t deal_free_us(const struct deal *deal);
uint64_t deal_waiting_us(const struct deal *deal); /* with the set-ups still to be paid */
/* Whether one more worker would find something, when so many are on their way. */
bool deal_wants(const struct deal *deal, uint32_t coming);
