/* learned.h - a run is learned from, and what is known afterwards. */
#pragma once

#include "core/model.h"
#include "service/history.h"
#include "store/store.h"

#define NOW_MS 1800000000000ull

/* For a call that fills the err of whoever says it. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

void learn(struct store *store, const struct run *run, uint64_t now_ms);
struct history *load(struct store *store); /* of the project web, suite unit */

/* Within one part in a thousand: estimates are logarithms in fixed point. */
void assert_about(uint64_t got, uint64_t want);
uint64_t known_us(const struct history *history, const char *kind, const char *id);
