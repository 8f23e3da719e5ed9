/* Changes that earlier versions have stored: they are read, fit, and lead to the same end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "fs.h"

/* A whole run of four tests: each change with its length before it, in two bytes. */
static void apply_file(const char *name, uint32_t version, struct run *run)
{
    struct str path = STR_MAX(PATH_BYTES_MAX), bytes = STR_MAX(1u << 20);
    struct err err = ERR_INIT;
    const unsigned char *at;
    size_t left;

    assert_int_equal(str_addf(&path, &err, "tests/unit/core/stored/%s.v%u", name, version),
                     ERR_NONE);
    assert_int_equal(fs_read(str_text(&path), &bytes, &err), ERR_NONE);
    at = (const unsigned char *)bytes.at;
    for (left = bytes.len; left > 2;) {
        size_t len = (size_t)at[0] | (size_t)at[1] << 8;
        struct change change = { .kind = CHANGE_NONE };

        assert_true(len <= left - 2);
        assert_int_equal(at[2], version);
        assert_int_equal(change_decode(at + 2, len, &change, &err), ERR_NONE);
        if (change.kind == CHANGE_SEAL)
            change.as.seal.manifest = manifest_of(4, UINT32_MAX);
        assert_int_equal(change_check(run, &change, &err), ERR_NONE);
        run_apply(run, &change);
        change_fini(&change);
        at += len + 2;
        left -= len + 2;
    }
    str_fini(&bytes);
    str_fini(&path);
}

static void test_stored_runs_lead_to_their_end(void **state)
{
    static const struct {
        const char *file;
        uint32_t version;
        enum verdict verdict;
        uint32_t observations;
    } rows[] = { { "lost_session", 1, VERDICT_GREEN, 1 },
                 { "drained_and_amended", 1, VERDICT_RED, 0 },
                 { "copied", 2, VERDICT_GREEN, 1 },
                 { "started_up", 4, VERDICT_GREEN, 0 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct run *run = run_new();

        apply_file(rows[i].file, rows[i].version, run);
        assert_int_equal(run->state, RUN_FINAL);
        assert_int_equal(run->verdict, rows[i].verdict);
        assert_int_equal(run->done_count, 4);
        assert_int_equal(run->observation_count, rows[i].observations);
        run_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_runs_lead_to_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
