/* Promises of store.h about runs and their changes. */
#include "contract.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- runs and changes ---- */

static struct store_run run_row(const char *id, const char *key, uint32_t epoch)
{
    return (struct store_run){ .id = id,
                               .project = "web",
                               .suite = "unit",
                               .run_key = key,
                               .epoch = epoch,
                               .created_ms = 1000 + epoch };
}

static struct store_change change_of(const char *run, uint64_t number, const char *text)
{
    return (
        struct store_change){ .run = run, .number = number, .bytes = text, .len = strlen(text) };
}

static void create(struct store *store, const char *id, const char *key, uint32_t epoch)
{
    struct err err = ERR_INIT;
    struct store_run row = run_row(id, key, epoch);
    struct store_change change = change_of(id, 1, "created");

    change.create = &row;
    OK(store_append(store, &change, 1, &err));
}

/* "1:created 2:second ..." */
static enum err_code write_change(void *ctx, uint64_t number, const void *bytes, size_t len,
                                  struct err *err)
{
    struct str *out = ctx;
    enum err_code rc =
        str_addf(out, err, "%s%llu:", out->len ? " " : "", (unsigned long long)number);

    return rc ? rc : str_add(out, bytes, len, err);
}

static void assert_changes(struct store *store, const char *run, const char *want)
{
    struct str got = STR_MAX(1 << 20);
    struct err err = ERR_INIT;

    OK(store_load(store, run, write_change, &got, &err));
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
}

/* "id/epoch " for each row, in the order given. */
static enum err_code write_run(void *ctx, const struct store_run *run, struct err *err)
{
    return str_addf(ctx, err, "%s/%u ", run->id, run->epoch);
}

static void assert_runs(struct store *store, struct store_query query, const char *want)
{
    struct str got = STR_MAX(1 << 20);
    struct err err = ERR_INIT;

    OK(store_list(store, &query, write_run, &got, &err));
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
}

static void test_store_loads_what_was_appended_in_order(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_change more[3];

    create(place->store, "r1", "key", 1);
    create(place->store, "r2", "key", 2);
    more[0] = change_of("r1", 2, "b");
    more[1] = change_of("r2", 2, "");
    more[2] = change_of("r1", 3, "c");
    OK(store_append(place->store, more, 3, &err));
    place_reopen(place);
    assert_changes(place->store, "r1", "1:created 2:b 3:c");
    assert_changes(place->store, "r2", "1:created 2:");
}

/* A group is one transaction: the good changes of a group with a bad one are not there either. */
static void test_store_append_does_all_or_nothing(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_run row = run_row("r2", "other", 1);
    struct store_change group[4];

    create(place->store, "r1", "key", 1);
    group[0] = change_of("r1", 2, "b");
    group[1] = change_of("r2", 1, "created");
    group[1].create = &row;
    group[2] = change_of("r1", 3, "c");
    group[3] = change_of("r1", 1, "again");
    assert_int_equal(store_append(place->store, group, 4, &err), ERR_CONFLICT);
    place_reopen(place);
    assert_changes(place->store, "r1", "1:created");
    assert_runs(place->store, (struct store_query){ 0 }, "r1/1 ");
    OK(store_append(place->store, group, 3, &err));
    assert_changes(place->store, "r1", "1:created 2:b 3:c");
}

static void test_store_append_refuses_a_number_that_is_there(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_change twice[2] = { change_of("r1", 2, "b"), change_of("r1", 2, "B") };

    create(place->store, "r1", "key", 1);
    assert_int_equal(store_append(place->store, twice, 2, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.text, "change 2 of run r1"));
    OK(store_append(place->store, twice, 1, &err));
    assert_int_equal(store_append(place->store, twice + 1, 1, &err), ERR_CONFLICT);
    assert_changes(place->store, "r1", "1:created 2:b");
}

static void test_store_append_refuses_an_unknown_run(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_change change = change_of("nobody", 1, "b");

    assert_int_equal(store_append(place->store, &change, 1, &err), ERR_NOT_FOUND);
    assert_int_equal(store_load(place->store, "nobody", write_change, NULL, &err), ERR_NOT_FOUND);
}

/* One key and epoch is one run: two agents that open the same epoch at once cannot both. */
static void test_store_append_refuses_a_second_run_of_an_epoch(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_run row = run_row("r2", "key", 1);
    struct store_change change = change_of("r2", 1, "created");

    create(place->store, "r1", "key", 1);
    change.create = &row;
    assert_int_equal(store_append(place->store, &change, 1, &err), ERR_CONFLICT);
    row = run_row("r1", "another key", 1);
    change.run = "r1";
    assert_int_equal(store_append(place->store, &change, 1, &err), ERR_CONFLICT);
    assert_changes(place->store, "r1", "1:created");
}

static void test_store_load_fails_when_a_number_is_missing(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct str got = STR_MAX(1000);
    struct store_change change = change_of("r1", 3, "c");

    create(place->store, "r1", "key", 1);
    OK(store_append(place->store, &change, 1, &err));
    assert_int_equal(store_load(place->store, "r1", write_change, &got, &err), ERR_IO);
    assert_non_null(strstr(err.text, "change 2 is missing"));
    str_fini(&got);
}

static enum err_code stop_at_once(void *ctx, uint64_t number, const void *bytes, size_t len,
                                  struct err *err)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return err_set(err, ERR_MALFORMED, "number %u is not for me", (unsigned)number);
}

static void test_store_load_ends_with_the_callback_code(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;

    create(place->store, "r1", "key", 1);
    assert_int_equal(store_load(place->store, "r1", stop_at_once, NULL, &err), ERR_MALFORMED);
    assert_string_equal(err.text, "number 1 is not for me");
    assert_changes(place->store, "r1", "1:created");
}

static void test_store_lists_the_last_created_first(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_change change = change_of("r2", 2, "closed");

    create(place->store, "r1", "github/1/a", 1);
    create(place->store, "r2", "github/1/a", 2);
    create(place->store, "r3", "github/2/b", 1);
    change.closed_ms = 5000;
    change.verdict = 2;
    OK(store_append(place->store, &change, 1, &err));
    place_reopen(place);
    assert_runs(place->store, (struct store_query){ 0 }, "r3/1 r2/2 r1/1 ");
    assert_runs(place->store, (struct store_query){ .limit = 2 }, "r3/1 r2/2 ");
    assert_runs(place->store, (struct store_query){ .id = "r2" }, "r2/2 ");
    assert_runs(place->store, (struct store_query){ .id = "r9" }, "");
    assert_runs(place->store,
                (struct store_query){ .project = "web", .suite = "unit", .run_key = "github/1/a" },
                "r2/2 r1/1 ");
    assert_runs(place->store,
                (struct store_query){
                    .project = "web", .suite = "unit", .run_key = "github/1/a", .epoch = 1 },
                "r1/1 ");
    assert_runs(place->store, (struct store_query){ .project = "else" }, "");
    assert_runs(place->store, (struct store_query){ .run_key_prefix = "github/1/" }, "r2/2 r1/1 ");
    assert_runs(place->store, (struct store_query){ .state = STORE_RUNS_OPEN }, "r3/1 r1/1 ");
    assert_runs(place->store, (struct store_query){ .state = STORE_RUNS_CLOSED }, "r2/2 ");
    assert_runs(place->store, (struct store_query){ .state = STORE_RUNS_OPEN, .limit = 1 },
                "r3/1 ");
}

static enum err_code see_closed(void *ctx, const struct store_run *run, struct err *err)
{
    int *seen = ctx;

    (void)err;
    assert_string_equal(run->id, "r1");
    assert_string_equal(run->project, "web");
    assert_string_equal(run->suite, "unit");
    assert_string_equal(run->run_key, "key");
    assert_int_equal(run->epoch, 1);
    assert_int_equal(run->created_ms, 1001);
    assert_int_equal(run->closed_ms, 9000);
    assert_int_equal(run->verdict, 3);
    assert_string_equal(run->manifest, DIGEST_A);
    (*seen)++;
    return ERR_NONE;
}

/* What a change says of the run's row is there together with the change. */
static void test_store_append_keeps_the_row_of_a_run(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct view part = view_of("bytes");
    struct store_change change = change_of("r1", 2, "sealed");
    int seen = 0;

    create(place->store, "r1", "key", 1);
    change.manifest = DIGEST_A;
    assert_int_equal(store_append(place->store, &change, 1, &err), ERR_NOT_FOUND);
    assert_changes(place->store, "r1", "1:created");
    OK(store_manifest_put(place->store, DIGEST_A, &part, 1, 1, &err));
    OK(store_append(place->store, &change, 1, &err));
    change = change_of("r1", 3, "closed");
    change.closed_ms = 9000;
    change.verdict = 3;
    OK(store_append(place->store, &change, 1, &err));
    place_reopen(place);
    OK(store_list(place->store, &(struct store_query){ 0 }, see_closed, &seen, &err));
    assert_int_equal(seen, 1);
}

static void test_store_append_keeps_large_and_strange_bytes(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct str big = STR_MAX(4 << 20);
    struct str want = STR_MAX(5 << 20);
    struct store_change change = { .run = "r1", .number = 2 };
    struct str got = STR_MAX(5 << 20);

    create(place->store, "r1", "key", 1);
    for (int i = 0; i < 3 << 20; i++)
        OK(str_add(&big, &(char){ (char)i }, 1, &err));
    change.bytes = big.at;
    change.len = big.len;
    OK(store_append(place->store, &change, 1, &err));
    OK(str_addz(&want, "1:created 2:", &err));
    OK(str_add(&want, big.at, big.len, &err));
    OK(store_load(place->store, "r1", write_change, &got, &err));
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.at, want.at, want.len);
    str_fini(&big);
    str_fini(&want);
    str_fini(&got);
}

static void test_store_append_refuses_a_name_over_the_limit(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    char key[STORE_NAME_BYTES_MAX + 2];
    struct store_run row;
    struct store_change change = change_of("r1", 1, "created");

    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    row = run_row("r1", key, 1);
    change.create = &row;
    assert_int_equal(store_append(place->store, &change, 1, &err), ERR_TOO_LARGE);
    key[STORE_NAME_BYTES_MAX] = '\0';
    OK(store_append(place->store, &change, 1, &err));
}

/* ---- pruning ---- */

static enum err_code see_part(void *ctx, uint32_t part, const void *bytes, size_t len,
                              struct err *err)
{
    struct str *out = ctx;
    enum err_code rc = str_addf(out, err, "[%u]", part);

    return rc ? rc : str_add(out, bytes, len, err);
}

static void test_store_prune_removes_old_closed_runs_only(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_pruned pruned = { 0 };
    struct view part = view_of("bytes");
    struct str got = STR_MAX(1000);
    char id[ID_TEXT_BYTES];

    OK(store_manifest_put(place->store, DIGEST_A, &part, 1, 10, &err));
    OK(store_manifest_put(place->store, DIGEST_B, &part, 1, 10, &err));
    for (uint32_t i = 1; i <= 100; i++) {
        struct store_change close;

        (void)snprintf(id, sizeof(id), "r%u", i);
        create(place->store, id, "key", i);
        close = change_of(id, 2, "closed");
        close.closed_ms = i <= 99 ? i : 0; /* the last one stays open */
        close.manifest = DIGEST_A;
        OK(store_append(place->store, &close, 1, &err));
    }
    OK(store_prune(place->store, 98, &pruned, &err));
    assert_int_equal(pruned.runs, 97);
    assert_int_equal(pruned.manifests, 1); /* A is still that of three runs */
    place_reopen(place);
    assert_runs(place->store, (struct store_query){ 0 }, "r100/100 r99/99 r98/98 ");
    assert_int_equal(store_load(place->store, "r97", write_change, NULL, &err), ERR_NOT_FOUND);
    assert_changes(place->store, "r98", "1:created 2:closed");
    OK(store_manifest_get(place->store, DIGEST_A, see_part, &got, &err));
    assert_int_equal(store_manifest_get(place->store, DIGEST_B, see_part, &got, &err),
                     ERR_NOT_FOUND);
    create(place->store, "r101", "key", 1); /* its place is free again, and not confused */
    assert_changes(place->store, "r101", "1:created");
    OK(store_check(place->store, &err));
    str_fini(&got);
}

/* What was closed and whose durations are not in the history yet is found again; the mark of a
 * part, or of another suite, is not the run's. */
static void test_store_list_finds_closed_runs_that_are_not_folded(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_pruned pruned = { 0 };
    struct store_fold fold = { .project = "web", .suite = "unit", .now_ms = 20 };
    const struct store_query query = { .state = STORE_RUNS_UNFOLDED };
    static const char *const ids[] = { "r1", "r2", "r3" };

    for (uint32_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct store_change close = change_of(ids[i], 2, "closed");

        create(place->store, ids[i], "key", i + 1);
        close.closed_ms = i < 2 ? 10 : 0;
        OK(store_append(place->store, &close, 1, &err));
    }
    assert_runs(place->store, query, "r2/2 r1/1 ");
    fold.mark = "r1+0";
    OK(store_history_fold(place->store, &fold, &err));
    fold.suite = "other";
    fold.mark = "r1";
    OK(store_history_fold(place->store, &fold, &err));
    assert_runs(place->store, query, "r2/2 r1/1 ");
    fold.suite = "unit";
    OK(store_history_fold(place->store, &fold, &err));
    place_reopen(place);
    assert_runs(place->store, query, "r2/2 ");
    /* A mark lives as long as its run, or the run would be folded once more. */
    OK(store_prune(place->store, 10, &pruned, &err));
    assert_runs(place->store, query, "r2/2 ");
    OK(store_prune(place->store, 11, &pruned, &err));
    assert_int_equal(pruned.runs, 2);
    assert_runs(place->store, query, "");
}

/* ---- threads ---- */

struct writer {
    struct store *store;
    char run[ID_TEXT_BYTES];
    enum err_code rc;
};

static void *write_many(void *arg)
{
    struct writer *writer = arg;
    struct err err = ERR_INIT;

    for (uint64_t i = 2; i <= 40 && !writer->rc; i++) {
        struct store_change change = change_of(writer->run, i, "x");
        struct str seen = STR_MAX(1 << 16);

        writer->rc = store_append(writer->store, &change, 1, &err);
        if (!writer->rc)
            writer->rc = store_load(writer->store, writer->run, write_change, &seen, &err);
        /* "1:created" and then " N:x" each: its own change is there at once. */
        if (!writer->rc && strstr(str_text(&seen), " 40:x") == NULL && i == 40)
            writer->rc = ERR_INTERNAL;
        str_fini(&seen);
    }
    return NULL;
}

static void test_store_may_be_called_by_many_threads(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    pthread_t threads[4];
    struct writer writers[4] = { 0 };

    for (uint32_t i = 0; i < ARRAY_LEN(threads); i++) {
        writers[i].store = place->store;
        (void)snprintf(writers[i].run, sizeof(writers[i].run), "r%u", i);
        create(place->store, writers[i].run, "key", i + 1);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    for (uint32_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(writers[i].rc, ERR_NONE);
    }
    OK(store_check(place->store, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(test_store_loads_what_was_appended_in_order),
        PROMISE(test_store_append_does_all_or_nothing),
        PROMISE(test_store_append_refuses_a_number_that_is_there),
        PROMISE(test_store_append_refuses_an_unknown_run),
        PROMISE(test_store_append_refuses_a_second_run_of_an_epoch),
        PROMISE(test_store_load_fails_when_a_number_is_missing),
        PROMISE(test_store_load_ends_with_the_callback_code),
        PROMISE(test_store_lists_the_last_created_first),
        PROMISE(test_store_append_keeps_the_row_of_a_run),
        PROMISE(test_store_append_keeps_large_and_strange_bytes),
        PROMISE(test_store_append_refuses_a_name_over_the_limit),
        PROMISE(test_store_prune_removes_old_closed_runs_only),
        PROMISE(test_store_list_finds_closed_runs_that_are_not_folded),
        PROMISE(test_store_may_be_called_by_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
