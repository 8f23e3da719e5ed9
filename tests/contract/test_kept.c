/* Promises of store.h about what is kept beside runs. */
#include "contract.h"

/* ---- manifests ---- */

static enum err_code see_part(void *ctx, uint32_t part, const void *bytes, size_t len,
                              struct err *err)
{
    struct str *out = ctx;
    enum err_code rc = str_addf(out, err, "[%u]", part);

    return rc ? rc : str_add(out, bytes, len, err);
}

static void test_store_manifest_is_stored_once(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct str got = STR_MAX(1000);
    struct view first[3] = { view_of("one"), view_of(""), view_of("three") };
    struct view second[1] = { view_of("other bytes for the same digest") };

    assert_int_equal(store_manifest_get(place->store, DIGEST_A, see_part, &got, &err),
                     ERR_NOT_FOUND);
    OK(store_manifest_put(place->store, DIGEST_A, first, 3, 1, &err));
    OK(store_manifest_put(place->store, DIGEST_A, second, 1, 2, &err));
    place_reopen(place);
    OK(store_manifest_get(place->store, DIGEST_A, see_part, &got, &err));
    assert_string_equal(str_text(&got), "[0]one[1][2]three");
    assert_int_equal(store_manifest_put(place->store, "short", first, 3, 1, &err), ERR_INVALID);
    str_fini(&got);
}

/* A manifest that was put again lately is not swept between that and the change that seals it. */
static void test_store_manifest_put_again_is_young_again(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct view part = view_of("bytes");
    struct store_pruned pruned = { 0 };

    OK(store_manifest_put(place->store, DIGEST_A, &part, 1, 10, &err));
    OK(store_manifest_put(place->store, DIGEST_A, &part, 1, 50, &err));
    OK(store_prune(place->store, 50, &pruned, &err));
    assert_int_equal(pruned.manifests, 0);
    OK(store_prune(place->store, 51, &pruned, &err));
    assert_int_equal(pruned.manifests, 1);
}

/* ---- tokens ---- */

static enum err_code write_token(void *ctx, const struct store_token *token, struct err *err)
{
    return str_addf(ctx, err, "%s:%s:%u:%u:%u ", token->project, token->label, token->role,
                    (unsigned)token->created_ms, (unsigned)token->expires_ms);
}

static void test_store_tokens_are_found_listed_and_revoked(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct str got = STR_MAX(1000);
    struct store_token token = {
        .hash = DIGEST_A, .project = "web", .label = "ci", .role = 2, .created_ms = 7
    };

    OK(store_token_put(place->store, &token, &err));
    assert_int_equal(store_token_put(place->store, &token, &err), ERR_CONFLICT);
    token = (struct store_token){ .hash = DIGEST_B, .project = "", .label = "", .expires_ms = 9 };
    OK(store_token_put(place->store, &token, &err));
    place_reopen(place);
    OK(store_token_find(place->store, DIGEST_A, write_token, &got, &err));
    OK(store_token_list(place->store, write_token, &got, &err));
    OK(store_token_revoke(place->store, DIGEST_A, &err));
    OK(store_token_list(place->store, write_token, &got, &err));
    assert_string_equal(str_text(&got), "web:ci:2:7:0 web:ci:2:7:0 ::0:0:9 ::0:0:9 ");
    assert_int_equal(store_token_revoke(place->store, DIGEST_A, &err), ERR_NOT_FOUND);
    assert_int_equal(store_token_find(place->store, DIGEST_A, write_token, &got, &err),
                     ERR_NOT_FOUND);
    str_fini(&got);
}

/* ---- history ---- */

static enum err_code write_estimate(void *ctx, const struct store_estimate *row, struct err *err)
{
    enum err_code rc =
        str_addf(ctx, err, "%s %s %u %lld %lld %u%s", row->kind, row->id, row->est.samples,
                 (long long)row->est.mean_log_ppm, (long long)row->est.var_log_ppm,
                 (unsigned)row->seen_ms, row->failed ? " failed" : "");

    if (!rc && row->mem_mib)
        rc = str_addf(ctx, err, " %u MiB", row->mem_mib);
    return rc ? rc : str_addz(ctx, ";", err);
}

static void assert_history(struct store *store, const char *suite, const char *want)
{
    struct str got = STR_MAX(1 << 20);
    struct err err = ERR_INIT;

    OK(store_history_load(store, "web", suite, write_estimate, &got, &err));
    assert_string_equal(str_text(&got), want);
    str_fini(&got);
}

static struct store_estimate estimate_row(const char *kind, const char *id, int64_t mean,
                                          uint64_t seen_ms)
{
    return (struct store_estimate){ .kind = kind,
                                    .id = id,
                                    .est = { .samples = 1, .mean_log_ppm = mean, .var_log_ppm = 5 },
                                    .seen_ms = seen_ms };
}

static void test_store_history_folds_a_mark_once(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_estimate rows[3] = { estimate_row("test", "b", -7, 1),
                                      estimate_row("module", "b", 1, 1),
                                      estimate_row("test", "a", 3, 1) };
    struct store_fold fold = {
        .project = "web", .suite = "unit", .mark = "r1/1", .rows = rows, .row_count = 3, .now_ms = 1
    };

    OK(store_history_fold(place->store, &fold, &err));
    assert_history(place->store, "unit", "module b 1 1 5 1;test a 1 3 5 1;test b 1 -7 5 1;");
    rows[0].est.mean_log_ppm = 100;
    rows[0].failed = true;
    rows[0].mem_mib = 300;
    assert_int_equal(store_history_fold(place->store, &fold, &err), ERR_CONFLICT);
    assert_history(place->store, "unit", "module b 1 1 5 1;test a 1 3 5 1;test b 1 -7 5 1;");
    fold.mark = "r1/2";
    fold.row_count = 1;
    OK(store_history_fold(place->store, &fold, &err));
    fold.mark = NULL; /* an import may come again and again */
    OK(store_history_fold(place->store, &fold, &err));
    OK(store_history_fold(place->store, &fold, &err));
    place_reopen(place);
    assert_history(place->store, "unit",
                   "module b 1 1 5 1;test a 1 3 5 1;test b 1 100 5 1 failed 300 MiB;");
    rows[0].failed = false; /* it passed since */
    rows[0].mem_mib = 0;
    fold.mark = "r1/3";
    OK(store_history_fold(place->store, &fold, &err));
    assert_history(place->store, "unit", "module b 1 1 5 1;test a 1 3 5 1;test b 1 100 5 1;");
    assert_history(place->store, "other", "");
    fold.suite = "other"; /* marks are a suite's own */
    fold.mark = "r1/1";
    OK(store_history_fold(place->store, &fold, &err));
}

static void test_store_history_fill_finds_rows_by_kind_and_id(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_estimate known[2] = { estimate_row("test", "a", 3, 1),
                                       estimate_row("module", "a", 4, 1) };
    struct store_estimate rows[3] = { estimate_row("test", "gone", 9, 1),
                                      estimate_row("module", "a", 9, 1),
                                      estimate_row("test", "a", 9, 1) };
    struct store_fold fold = {
        .project = "web", .suite = "unit", .rows = known, .row_count = 2, .now_ms = 1
    };

    known[0].mem_mib = UINT32_MAX;
    rows[0].mem_mib = rows[1].mem_mib = 1;
    OK(store_history_fold(place->store, &fold, &err));
    OK(store_history_fill(place->store, "web", "unit", rows, 3, &err));
    assert_int_equal(rows[0].est.samples, 0);
    assert_int_equal(rows[0].est.mean_log_ppm, 0);
    assert_int_equal(rows[1].est.mean_log_ppm, 4);
    assert_int_equal(rows[2].est.mean_log_ppm, 3);
    assert_int_equal(rows[0].mem_mib, 0);
    assert_int_equal(rows[1].mem_mib, 0);
    assert_int_equal(rows[2].mem_mib, UINT32_MAX);
    OK(store_history_fill(place->store, "web", "other", rows, 3, &err));
    assert_int_equal(rows[2].est.samples, 0);
}

static void test_store_history_prune_forgets_the_longest_unseen(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct store_estimate rows[5] = {
        estimate_row("test", "a", 1, 50), estimate_row("test", "b", 1, 10),
        estimate_row("test", "c", 1, 40), estimate_row("test", "d", 1, 30),
        estimate_row("test", "e", 1, 20),
    };
    struct store_fold fold = { .project = "web", .suite = "unit", .rows = rows, .row_count = 5 };

    OK(store_history_fold(place->store, &fold, &err));
    fold.suite = "other";
    OK(store_history_fold(place->store, &fold, &err));
    OK(store_history_prune(place->store, "web", "unit", 20, 100, &err));
    assert_history(place->store, "unit",
                   "test a 1 1 5 50;test c 1 1 5 40;test d 1 1 5 30;test e 1 1 5 20;");
    OK(store_history_prune(place->store, "web", "unit", 0, 2, &err));
    place_reopen(place);
    assert_history(place->store, "unit", "test a 1 1 5 50;test c 1 1 5 40;");
    assert_history(place->store, "other",
                   "test a 1 1 5 50;test b 1 1 5 10;test c 1 1 5 40;test d 1 1 5 30;"
                   "test e 1 1 5 20;");
    OK(store_history_prune(place->store, "web", "unit", 0, 0, &err));
    assert_history(place->store, "unit", "");
}

/* ---- settings, checking ---- */

static void test_store_settings_are_replaced(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct str got = STR_MAX(100);

    assert_int_equal(store_setting_get(place->store, "color", &got, &err), ERR_NOT_FOUND);
    OK(store_setting_put(place->store, "color", "red", &err));
    OK(store_setting_put(place->store, "color", "green", &err));
    place_reopen(place);
    OK(store_setting_get(place->store, "color", &got, &err));
    assert_string_equal(str_text(&got), "green");
    str_fini(&got);
}

static void test_store_check_passes_on_a_sound_store(void **state)
{
    struct place *place = *state;
    struct err err = ERR_INIT;
    struct view part = view_of("bytes");

    OK(store_check(place->store, &err));
    OK(store_manifest_put(place->store, DIGEST_A, &part, 1, 1, &err));
    OK(store_check(place->store, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(test_store_manifest_is_stored_once),
        PROMISE(test_store_manifest_put_again_is_young_again),
        PROMISE(test_store_tokens_are_found_listed_and_revoked),
        PROMISE(test_store_history_folds_a_mark_once),
        PROMISE(test_store_history_fill_finds_rows_by_kind_and_id),
        PROMISE(test_store_history_prune_forgets_the_longest_unseen),
        PROMISE(test_store_settings_are_replaced),
        PROMISE(test_store_check_passes_on_a_sound_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
