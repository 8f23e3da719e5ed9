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

/* In the list of tests: *state is then one of these, freed whatever the test comes to. */
#define learned_test(test) cmocka_unit_test_setup_teardown(test, learned_set_up, learned_tear_down)

struct learned {
    struct store *store;
    struct run **runs;
    size_t run_count, run_cap;
    struct history *history;
};
int learned_set_up(void **state);
int learned_tear_down(void **state);

/* made_run, and freed at the end. */
struct run *learned_run(struct learned *l, const char *run_id, const char *const *ids,
                        uint32_t count);
void learn(struct learned *l, const struct run *run, uint64_t now_ms);
/* What is known now, of the project web, suite unit; until the next call. */
const struct history *recall(struct learned *l);

/* Within one part in a thousand: estimates are logarithms in fixed point. */
void assert_about(uint64_t got, uint64_t want);
uint64_t known_us(const struct history *history, const char *kind, const char *id);
