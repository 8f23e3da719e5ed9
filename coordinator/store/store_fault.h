/* store_fault.h - a store around another one that fails on demand; for tests.
 *
 * Counts the calls that go through it, reads and writes alike, from 1. */
#pragma once

#include "store/store.h"

enum store_fault_kind {
    STORE_FAULT_NONE,
    STORE_FAULT_BEFORE, /* nothing is done, the call fails */
    STORE_FAULT_AFTER,  /* the call is done, and fails all the same: an ambiguous commit */
};

struct store_fault_plan {
    enum store_fault_kind kind;
    enum err_code code;  /* what the failing calls return */
    uint64_t first_call; /* the first call that fails; 0: none */
    uint64_t call_count; /* how many fail from there on */
};

/* Takes inner (closed with the wrapper). */
struct store *store_fault_new(struct store **take_inner);

/* The plan counts calls from now on. */
void store_fault_set(struct store *store, const struct store_fault_plan *plan);

/* Calls since the last store_fault_set, those that failed too. */
uint64_t store_fault_calls(struct store *store);
