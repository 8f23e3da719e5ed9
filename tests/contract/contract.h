/* contract.h - what a backend gives to the contract (open_*.c), and the place that each promise is
 * tried in: a fresh folder with a store. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/store.h"

struct store *contract_open(const char *folder);

/* What is stored is there after closing and opening again in the same folder. */
extern const bool contract_is_durable;

struct place {
    char *folder;
    struct store *store;
};

int place_set_up(void **state);
int place_tear_down(void **state);

/* Closes and opens a backend that keeps what it has; the others go on as they are. */
void place_reopen(struct place *place);

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, place_set_up, place_tear_down)

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
