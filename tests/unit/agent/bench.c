#include "bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mem.h"
#include "str.h"

int bench_set_up(void **state)
{
    *state = mem_new(1, sizeof(struct bench));
    return 0;
}

static void clear(struct bench *b)
{
    dispatch_free(b->d);
    suite_free(b->suite);
    manifest_free(b->manifest);
    *b = (struct bench){ .manifest = NULL };
}

int bench_tear_down(void **state)
{
    clear(*state);
    free(*state);
    return 0;
}

static struct manifest *manifest_made(uint32_t tests, enum bench_suite suite)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < tests; i++) {
        struct str id = STR_MAX(64);

        assert_int_equal(suite == ONE_FILE ? str_addf(&id, &err, "f.py::t%u", i)
                                           : str_addf(&id, &err, "f%u.py::t", i),
                         ERR_NONE);
        assert_int_equal(manifest_add(m, view_of(str_text(&id)), view_of(""), view_of(""), &err),
                         ERR_NONE);
        str_fini(&id);
    }
    manifest_seal(m);
    return m;
}

void opens(struct bench *b, uint32_t tests, enum bench_suite suite, struct dispatch_input in)
{
    clear(b);
    b->manifest = manifest_made(tests, suite);
    in.suite = b->suite = suite_new(b->manifest);
    b->d = dispatch_new(&in);
}

void count_effects(struct bench *b)
{
    struct dispatch_fx fx;

    while (dispatch_next(b->d, &fx)) {
        switch (fx.kind) {
        case DISPATCH_FORK:
            b->forks++;
            break;
        case DISPATCH_RUN:
            b->runs++;
            b->ran[fx.slot] = fx.test;
            break;
        case DISPATCH_SETTLE:
            b->settles++;
            break;
        case DISPATCH_NONE:
            b->nones++;
            break;
        case DISPATCH_LAST:
            b->lasts++;
            break;
        case DISPATCH_CANCEL:
            b->cancels++;
            break;
        case DISPATCH_QUIT:
            b->quits++;
            break;
        case DISPATCH_KILL:
            b->kills++;
            break;
        case DISPATCH_CRASH:
            b->crashes++;
            break;
        case DISPATCH_UNRUN:
            b->unruns++;
            break;
        case DISPATCH_BROKEN:
            b->brokens++;
            break;
        case DISPATCH_EMPTY:
            b->empties++;
            break;
        }
    }
}

void grant_all(struct bench *b, uint64_t cost_us)
{
    for (uint32_t i = 0; i < b->suite->test_count; i++)
        dispatch_grant(b->d, i, cost_us);
    dispatch_granted(b->d);
    count_effects(b);
}

void heard(struct bench *b, uint32_t slot, enum worker_event event, uint32_t test)
{
    assert_true(dispatch_heard(b->d, slot, event, test, 1000));
    count_effects(b);
}

void run_one(struct bench *b, uint32_t slot)
{
    uint32_t test = dispatch_worker(b->d, slot)->hand[0];

    heard(b, slot, WORKER_EV_START, test);
    heard(b, slot, WORKER_EV_DONE, test);
}
