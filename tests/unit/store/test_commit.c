/* The group commit, without its thread (what happens is exact) and with it (nothing is lost). */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mem.h"
#include "store/commit.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        if (call)                                                                                  \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

struct bench {
    struct store *store; /* the fault wrapper */
    struct commit *commit;
    struct str seen; /* "r1:2=none ..." in the order of delivery */
    int fds[2];      /* wake */
    uint32_t woken;
};

static void wake(void *ctx)
{
    struct bench *bench = ctx;

    if (bench->fds[1] >= 0)
        assert_int_equal(write(bench->fds[1], "w", 1), 1);
    else
        bench->woken++;
}

static struct bench *bench_new(enum commit_mode mode)
{
    struct bench *bench = mem_new(1, sizeof(*bench));
    struct store *inner = store_mem_new();

    bench->store = store_fault_new(&inner);
    bench->seen.max = 1 << 20;
    bench->fds[0] = bench->fds[1] = -1;
    if (mode == COMMIT_THREAD)
        assert_int_equal(pipe(bench->fds), 0);
    bench->commit = commit_new(&(struct commit_opts){
        .store = bench->store, .mode = mode, .wake = wake, .wake_ctx = bench });
    return bench;
}

static void bench_free(struct bench *bench)
{
    commit_free(bench->commit);
    store_close(bench->store);
    str_fini(&bench->seen);
    if (bench->fds[0] >= 0) {
        (void)close(bench->fds[0]);
        (void)close(bench->fds[1]);
    }
    free(bench);
}

static void note(void *ctx, const char *run, uint64_t number, enum err_code rc,
                 const struct err *err)
{
    struct bench *bench = ctx;
    struct err mine = ERR_INIT;

    assert_int_equal(err->code, rc);
    assert_true(rc == ERR_NONE || err->text[0] != '\0');
    assert_int_equal(str_addf(&bench->seen, &mine, "%s%s:%u=%s", bench->seen.len ? " " : "", run,
                              (unsigned)number, err_name(rc)),
                     ERR_NONE);
}

static void take(struct bench *bench, const char *run, uint64_t number)
{
    struct commit_item *item = mem_new(1, sizeof(*item));

    (void)snprintf(item->run, sizeof(item->run), "%s", run);
    item->number = number;
    item->bytes = mem_strdup("change");
    item->len = 6;
    if (number == 1) {
        item->creates = true;
        item->project = mem_strdup("web");
        item->suite = mem_strdup("unit");
        item->run_key = mem_strdup(run);
        item->epoch = 1;
    }
    item->done = note;
    item->ctx = bench;
    commit_take(bench->commit, &item);
    assert_null(item);
}

static void assert_seen(struct bench *bench, const char *want)
{
    assert_string_equal(str_text(&bench->seen), want);
    str_clear(&bench->seen);
}

static void fail_calls(struct bench *bench, enum store_fault_kind kind, uint64_t first,
                       uint64_t count)
{
    store_fault_set(bench->store,
                    &(struct store_fault_plan){
                        .kind = kind, .code = ERR_IO, .first_call = first, .call_count = count });
}

static enum err_code count_change(void *ctx, uint64_t number, const void *bytes, size_t len,
                                  struct err *err)
{
    (void)bytes;
    (void)len;
    (void)err;
    *(uint64_t *)ctx = number;
    return ERR_NONE;
}

static uint64_t stored(struct bench *bench, const char *run)
{
    uint64_t last = 0;
    struct err err = ERR_INIT;

    OK(store_load(bench->store, run, count_change, &last, &err));
    return last;
}

/* ---- without a thread ---- */

static void test_commit_stores_all_that_is_queued_in_one_call(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    take(bench, "r1", 1);
    take(bench, "r2", 1);
    take(bench, "r1", 2);
    assert_int_equal(bench->woken, 3);
    assert_true(commit_queued_bytes(bench->commit) > 18);
    assert_int_equal(commit_poll(bench->commit), 3);
    assert_int_equal(store_fault_calls(bench->store), 1);
    assert_int_equal(commit_queued_bytes(bench->commit), 0);
    assert_seen(bench, "r1:1=none r2:1=none r1:2=none");
    assert_int_equal(stored(bench, "r1"), 2);
    assert_int_equal(commit_poll(bench->commit), 0);
    bench_free(bench);
}

/* The whole group fails once; each run alone is fine, so nobody hears of it. */
static void test_commit_tries_each_run_alone_when_a_group_fails(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    take(bench, "r1", 1);
    take(bench, "r2", 1);
    take(bench, "r1", 2);
    fail_calls(bench, STORE_FAULT_BEFORE, 1, 1);
    assert_int_equal(commit_poll(bench->commit), 3);
    assert_int_equal(store_fault_calls(bench->store), 3);
    assert_seen(bench, "r1:1=none r2:1=none r1:2=none");
    bench_free(bench);
}

/* A number that is there already is one run's fault and only its. */
static void test_commit_fails_only_the_run_that_is_bad(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    take(bench, "r1", 1);
    take(bench, "r2", 1);
    (void)commit_poll(bench->commit);
    str_clear(&bench->seen);
    take(bench, "r1", 2);
    take(bench, "r2", 1);
    take(bench, "r2", 2);
    take(bench, "r3", 1);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:2=none r2:1=conflict r2:2=conflict r3:1=none");
    assert_int_equal(stored(bench, "r1"), 2);
    assert_int_equal(stored(bench, "r2"), 1);
    bench_free(bench);
}

/* What was decided on a change that was lost must not be stored after it. */
static void test_commit_refuses_a_stopped_run_until_it_is_resumed(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    take(bench, "r1", 1);
    (void)commit_poll(bench->commit);
    str_clear(&bench->seen);
    fail_calls(bench, STORE_FAULT_BEFORE, 1, 2);
    take(bench, "r1", 2);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:2=io");
    take(bench, "r1", 3);
    take(bench, "r2", 1);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:3=unavailable r2:1=none");
    take(bench, "r1", 4); /* before the resume: still of the old life */
    commit_resume(bench->commit, "r1");
    take(bench, "r1", 2);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:4=unavailable r1:2=none");
    assert_int_equal(stored(bench, "r1"), 2);
    bench_free(bench);
}

/* The commit happened though it said no: the run is stopped, and loading shows the truth. */
static void test_commit_stops_a_run_after_an_ambiguous_commit(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    take(bench, "r1", 1);
    (void)commit_poll(bench->commit);
    str_clear(&bench->seen);
    fail_calls(bench, STORE_FAULT_AFTER, 1, 1);
    take(bench, "r1", 2);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:2=conflict");
    assert_int_equal(stored(bench, "r1"), 2);
    commit_resume(bench->commit, "r1");
    take(bench, "r1", 3);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:3=none");
    bench_free(bench);
}

static enum err_code work_setting(void *ctx, struct store *store, struct err *err)
{
    uint64_t last = 0;
    enum err_code rc = store_load(store, "r1", count_change, &last, err);

    (void)ctx;
    if (!rc && last != 1)
        rc = err_set(err, ERR_INTERNAL, "the job came at change %u", (unsigned)last);
    return rc ? rc : store_setting_put(store, "job", "done", err);
}

static void note_job(void *ctx, enum err_code rc, const struct err *err)
{
    note(ctx, "job", 0, rc, err);
}

static void test_commit_does_a_job_in_order_with_the_changes(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);
    struct commit_job job = { .work = work_setting, .done = note_job, .ctx = bench };

    (void)state;
    take(bench, "r1", 1);
    commit_do(bench->commit, &job);
    take(bench, "r1", 2);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "r1:1=none job:0=none r1:2=none");
    fail_calls(bench, STORE_FAULT_BEFORE, 1, 1);
    commit_do(bench->commit, &job);
    (void)commit_poll(bench->commit);
    assert_seen(bench, "job:0=io");
    bench_free(bench);
}

static void test_commit_cuts_a_group_at_its_limit(void **state)
{
    struct bench *bench = bench_new(COMMIT_INLINE);

    (void)state;
    for (uint32_t i = 1; i <= COMMIT_GROUP_ITEMS_MAX + 1; i++)
        take(bench, "r1", i);
    assert_int_equal(commit_poll(bench->commit), COMMIT_GROUP_ITEMS_MAX + 1);
    assert_int_equal(store_fault_calls(bench->store), 2);
    assert_int_equal(stored(bench, "r1"), COMMIT_GROUP_ITEMS_MAX + 1);
    bench_free(bench);
}

struct chain {
    struct bench *bench;
    uint64_t next;
};

static void take_next(void *ctx, const char *run, uint64_t number, enum err_code rc,
                      const struct err *err)
{
    struct chain *chain = ctx;

    note(chain->bench, run, number, rc, err);
    if (chain->next <= 5) {
        struct commit_item *item = mem_new(1, sizeof(*item));

        (void)snprintf(item->run, sizeof(item->run), "r1");
        item->number = chain->next++;
        item->done = take_next;
        item->ctx = chain;
        commit_take(chain->bench->commit, &item);
    }
}

/* A done function may hand over the next change, and flush waits for that as well. */
static void chain_and_flush(enum commit_mode mode)
{
    struct bench *bench = bench_new(mode);
    struct chain chain = { .bench = bench, .next = 2 };
    struct err err = ERR_INIT;

    take(bench, "r1", 1);
    commit_flush(bench->commit);
    take_next(&chain, "start", 0, ERR_NONE, &err);
    commit_flush(bench->commit);
    assert_seen(bench, "r1:1=none start:0=none r1:2=none r1:3=none r1:4=none r1:5=none");
    bench_free(bench);
}

static void test_commit_flush_waits_for_what_done_functions_take(void **state)
{
    (void)state;
    chain_and_flush(COMMIT_INLINE);
    chain_and_flush(COMMIT_THREAD);
}

/* ---- with its thread ---- */

static void wait_for_wake(struct bench *bench)
{
    struct pollfd fd = { .fd = bench->fds[0], .events = POLLIN };
    char bytes[64];

    assert_int_equal(poll(&fd, 1, 10000), 1);
    assert_true(read(bench->fds[0], bytes, sizeof(bytes)) > 0);
}

struct tally {
    uint32_t done, failed;
    uint64_t last[8];
};

static void tally_up(void *ctx, const char *run, uint64_t number, enum err_code rc,
                     const struct err *err)
{
    struct tally *tally = ctx;
    size_t which = (size_t)(run[1] - '0');

    (void)err;
    tally->done++;
    tally->failed += rc != ERR_NONE;
    assert_int_equal(number, tally->last[which] + 1); /* in the order of commit_take */
    tally->last[which] = number;
}

static void test_commit_thread_delivers_everything_in_order(void **state)
{
    struct bench *bench = bench_new(COMMIT_THREAD);
    struct tally tally = { 0 };
    uint32_t taken = 0;

    (void)state;
    for (uint64_t number = 1; number <= 500; number++) {
        for (char run = '0'; run < '8'; run++) {
            struct commit_item *item = mem_new(1, sizeof(*item));

            (void)snprintf(item->run, sizeof(item->run), "r%c", run);
            item->number = number;
            item->creates = number == 1;
            item->epoch = 1;
            if (item->creates) {
                item->project = mem_strdup("web");
                item->suite = mem_strdup("unit");
                item->run_key = mem_strdup(item->run);
            }
            item->done = tally_up;
            item->ctx = &tally;
            commit_take(bench->commit, &item);
            taken++;
        }
        if (number % 50 == 0)
            while (tally.done < taken) {
                wait_for_wake(bench);
                (void)commit_poll(bench->commit);
            }
    }
    assert_int_equal(tally.done, taken);
    assert_int_equal(tally.failed, 0);
    assert_true(store_fault_calls(bench->store) < taken); /* it did commit in groups */
    bench_free(bench);
}

static void test_commit_free_settles_what_is_queued(void **state)
{
    struct bench *bench = bench_new(COMMIT_THREAD);

    (void)state;
    for (uint64_t number = 1; number <= 100; number++)
        take(bench, "r1", number);
    commit_free(bench->commit);
    bench->commit = NULL;
    assert_int_equal(stored(bench, "r1"), 100);
    assert_non_null(strstr(str_text(&bench->seen), "r1:100=none"));
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commit_stores_all_that_is_queued_in_one_call),
        cmocka_unit_test(test_commit_tries_each_run_alone_when_a_group_fails),
        cmocka_unit_test(test_commit_fails_only_the_run_that_is_bad),
        cmocka_unit_test(test_commit_refuses_a_stopped_run_until_it_is_resumed),
        cmocka_unit_test(test_commit_stops_a_run_after_an_ambiguous_commit),
        cmocka_unit_test(test_commit_does_a_job_in_order_with_the_changes),
        cmocka_unit_test(test_commit_cuts_a_group_at_its_limit),
        cmocka_unit_test(test_commit_flush_waits_for_what_done_functions_take),
        cmocka_unit_test(test_commit_thread_delivers_everything_in_order),
        cmocka_unit_test(test_commit_free_settles_what_is_queued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
