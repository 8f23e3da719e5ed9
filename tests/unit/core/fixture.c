#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"

void fixture_again(struct fixture *f)
{
    run_free(f->run);
    run_free(f->shadow);
    *f = (struct fixture){ .now_ms = 1000, .err = ERR_INIT };
}

int fixture_set_up(void **state)
{
    struct fixture *f = mem_new(1, sizeof(*f));

    fixture_again(f);
    *state = f;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *f = *state;

    fixture_again(f);
    free(f);
    return 0;
}

static struct manifest *copy_of(const struct manifest *from)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < from->count; i++)
        assert_int_equal(manifest_add(m, view_of(from->tests[i].id), view_of(from->tests[i].group),
                                      view_of(from->tests[i].flags), &err),
                         ERR_NONE);
    manifest_seal(m);
    return m;
}

void turn(struct fixture *f, struct change *change)
{
    struct str bytes = STR_MAX(CHANGE_BYTES_MAX);
    struct change again = { .kind = CHANGE_NONE };
    char a[HASH_HEX_BYTES];
    char b[HASH_HEX_BYTES];

    if (change->kind == CHANGE_NONE)
        return;
    assert_int_equal(change_encode(change, &bytes, &f->err), ERR_NONE);
    assert_int_equal(change_decode(bytes.at, bytes.len, &again, &f->err), ERR_NONE);
    str_fini(&bytes);
    if (change->kind == CHANGE_SEAL)
        again.as.seal.manifest = copy_of(change->as.seal.manifest);
    if (change->kind == CHANGE_OPEN) {
        run_free(f->run);
        run_free(f->shadow);
        f->run = run_new();
        f->shadow = run_new();
    }
    assert_int_equal(change_check(f->shadow, &again, &f->err), ERR_NONE);
    run_apply(f->run, change);
    run_apply(f->shadow, &again);
    run_digest(f->run, a);
    run_digest(f->shadow, b);
    assert_string_equal(a, b);
    change_fini(change);
    change_fini(&again);
}

struct join_request join_of(uint32_t index, uint32_t total, const char *instance)
{
    static char texts[8][8] = { "p", "s", "key", "linux", "pytest", "1" };

    return (struct join_request){ .project = texts[0],
                                  .suite = texts[1],
                                  .run_key = texts[2],
                                  .fingerprint = texts[3],
                                  .command = texts[4],
                                  .agent_version = texts[5],
                                  .instance = (char *)instance,
                                  .index = index,
                                  .total = total,
                                  .workers = 1 };
}

uint32_t joins(struct fixture *f, const struct join_request *req, const char *nonce)
{
    struct str id = STR_MAX(SESSION_ID_BYTES - 1);
    char hash[HASH_HEX_BYTES];
    struct attempt_new with = { .id = "run", .seed = 7, .now_ms = f->now_ms };
    struct change change = { .kind = CHANGE_NONE };
    uint32_t session = SESSION_NONE;

    if (!f->run || attempt_way(f->run, req) == ATTEMPT_NEXT) {
        attempt_open(f->run, req, &with, &change);
        turn(f, &change);
    }
    hash_hex(nonce, strlen(nonce), hash);
    assert_int_equal(str_addf(&id, &f->err, "%u-x", f->run->session_count), ERR_NONE);
    if (decide_join(f->run,
                    &(struct join_facts){ .req = req,
                                          .session_id = str_text(&id),
                                          .nonce_hash = hash,
                                          .token_hash = hash,
                                          .now_ms = f->now_ms },
                    &change, &session, &f->err))
        session = SESSION_NONE;
    turn(f, &change);
    str_fini(&id);
    return session;
}

uint32_t joins_slot(struct fixture *f, uint32_t index, uint32_t total)
{
    struct str text = STR_MAX(40);
    struct join_request req;
    uint32_t session;

    assert_int_equal(
        str_addf(&text, &f->err, "job-%u-%llu", index, (unsigned long long)++f->request), ERR_NONE);
    req = join_of(index, total, str_text(&text));
    session = joins(f, &req, str_text(&text));
    str_fini(&text);
    return session;
}

struct manifest *manifest_of(uint32_t count, uint32_t skip)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < count; i++) {
        struct str id = STR_MAX(40);

        assert_int_equal(str_addf(&id, &err, "a.py::t%u", i), ERR_NONE);
        if (i != skip)
            assert_int_equal(
                manifest_add(m, view_of(str_text(&id)), view_of(""), view_of(""), &err), ERR_NONE);
        str_fini(&id);
    }
    manifest_seal(m);
    return m;
}

void collects(struct fixture *f, uint32_t session, uint32_t count, uint32_t skip)
{
    struct manifest *m = manifest_of(count, skip);

    collects_this(f, session, m);
    manifest_free(m);
}

void collects_this(struct fixture *f, uint32_t session, const struct manifest *m)
{
    struct change change = { .kind = CHANGE_NONE };

    assert_int_equal(decide_collected(f->run,
                                      &(struct collected_facts){ .session = session,
                                                                 .runtime = "cpython",
                                                                 .manifest = m,
                                                                 .now_ms = f->now_ms },
                                      &change, &f->err),
                     ERR_NONE);
    turn(f, &change);
}

void seals(struct fixture *f, uint32_t count)
{
    seals_failed(f, count, NULL);
}

void seals_failed(struct fixture *f, uint32_t count, const bool *failed)
{
    seals_this(f, manifest_of(count, UINT32_MAX), failed);
}

void seals_this(struct fixture *f, struct manifest *take_manifest, const bool *failed)
{
    uint32_t count = take_manifest->count;
    struct seal_facts facts = { .manifest = take_manifest,
                                .costs_us = mem_new(count, sizeof(uint64_t)),
                                .scope_us = mem_new(1, sizeof(uint64_t)),
                                .scope_count = 1 };
    struct change change = { .kind = CHANGE_NONE };

    for (uint32_t i = 0; i < count; i++)
        facts.costs_us[i] = 1000000;
    if (failed)
        facts.failed = mem_dup(failed, count * sizeof(*failed));
    decide_seal(f->run, &facts, &change);
    turn(f, &change);
    for (uint32_t i = 0; i < f->run->session_count; i++)
        if (session_lives(f->run->sessions[i]))
            collects_this(f, i, f->run->manifest);
}

static enum err_code pull_with(struct fixture *f, uint32_t session, const struct pull_request *req)
{
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc = decide_pull(f->run, session, req, f->now_ms, &change, &f->err);

    turn(f, &change);
    return rc;
}

enum err_code pull_rc(struct fixture *f, uint32_t session, uint64_t seen, uint32_t free_workers)
{
    struct pull_request req = { .order_seen = seen, .free_workers = free_workers };

    return pull_with(f, session, &req);
}

uint32_t pulls(struct fixture *f, uint32_t session)
{
    const struct session *s = f->run->sessions[session];

    assert_int_equal(pull_rc(f, session, s->order_last, s->workers), ERR_NONE);
    return s->order_count;
}

void begins(struct fixture *f, uint32_t session, uint32_t test)
{
    struct test_ref ref = { .id = (char *)f->run->manifest->tests[test].id,
                            .k = f->run->manifest->tests[test].k };
    struct pull_request req = { .order_seen = f->run->sessions[session]->order_last,
                                .running = &ref,
                                .running_count = 1 };

    assert_int_equal(pull_with(f, session, &req), ERR_NONE);
}

static enum err_code results_with(struct fixture *f, uint32_t session, struct results_request *req)
{
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc;

    if (req->request == 0)
        req->request = ++f->request;
    rc = decide_results(f->run, session, req, &change, &f->err);
    turn(f, &change);
    return rc;
}

enum err_code reports(struct fixture *f, uint32_t session, uint32_t test, uint64_t fence,
                      enum outcome outcome)
{
    struct result r = { .test = { .id = (char *)f->run->manifest->tests[test].id },
                        .fence = fence,
                        .outcome = outcome,
                        .call_us = 1000 };

    return results_with(f, session, &(struct results_request){ .results = &r, .result_count = 1 });
}

enum err_code reports_on(struct fixture *f, uint32_t session, uint32_t test, uint32_t worker,
                         enum outcome outcome, bool amends)
{
    struct result r = { .test = { .id = (char *)f->run->manifest->tests[test].id,
                                  .k = f->run->manifest->tests[test].k },
                        .fence = f->run->tests[test].fence,
                        .worker = worker,
                        .outcome = outcome,
                        .amends = amends };

    return results_with(f, session, &(struct results_request){ .results = &r, .result_count = 1 });
}

void passes(struct fixture *f, uint32_t session, uint32_t test)
{
    assert_int_equal(reports_on(f, session, test, 0, OUTCOME_PASSED, false), ERR_NONE);
}

void releases(struct fixture *f, uint32_t session, uint32_t test)
{
    struct test_ref ref = { .id = (char *)f->run->manifest->tests[test].id };

    assert_int_equal(
        results_with(f, session,
                     &(struct results_request){ .released = &ref, .released_count = 1 }),
        ERR_NONE);
}

void begins_and_passes(struct fixture *f, uint32_t session, uint32_t begun, uint32_t passed)
{
    struct test_ref ref = { .id = (char *)f->run->manifest->tests[begun].id };
    struct result r = { .test = { .id = (char *)f->run->manifest->tests[passed].id },
                        .fence = f->run->tests[passed].fence,
                        .outcome = OUTCOME_PASSED };

    assert_int_equal(
        results_with(f, session,
                     &(struct results_request){
                         .results = &r, .result_count = 1, .running = &ref, .running_count = 1 }),
        ERR_NONE);
}

void abandons(struct fixture *f, uint32_t session, uint32_t test, uint64_t fence)
{
    struct try_cut cut = { .test = { .id = (char *)f->run->manifest->tests[test].id },
                           .fence = fence,
                           .took_us = 5000 };

    assert_int_equal(
        results_with(f, session,
                     &(struct results_request){ .abandoned = &cut, .abandoned_count = 1 }),
        ERR_NONE);
}

void tells_error(struct fixture *f, uint32_t session, struct run_error *error)
{
    struct results_request req = { .errors = error, .error_count = 1 };

    assert_int_equal(results_with(f, session, &req), ERR_NONE);
}

uint32_t leaves(struct fixture *f, uint32_t session, uint32_t runner_exit)
{
    struct leave_request req = { .exit = runner_exit };
    struct change change = { .kind = CHANGE_NONE };

    assert_int_equal(decide_leave(f->run, session, &req, &change, &f->err), ERR_NONE);
    turn(f, &change);
    return f->run->sessions[session]->exit;
}

void dies(struct fixture *f, uint32_t session)
{
    struct change change = { .kind = CHANGE_EXPIRE };

    index_list_add(&change.as.expire.sessions, session);
    turn(f, &change);
}

void drains(struct fixture *f, uint32_t session)
{
    struct change change = { .kind = CHANGE_NONE };

    assert_int_equal(decide_drain(f->run, session, &change, &f->err), ERR_NONE);
    turn(f, &change);
}

bool ends(struct fixture *f)
{
    struct change change = { .kind = CHANGE_NONE };

    decide_final(f->run, f->now_ms, f->now_ms, &change);
    turn(f, &change);
    return f->run->state == RUN_FINAL;
}

void holds_all(struct fixture *f)
{
    (void)joins_slot(f, 0, 2);
    (void)joins_slot(f, 1, 2);
    seals(f, 3);
    while (pool_free_count(f->run->pool) > 0)
        assert_true(pulls(f, 0) > 0);
}

void works(struct fixture *f, uint32_t session)
{
    while (!f->run->sessions[session]->ended) {
        uint32_t test;

        (void)pulls(f, session);
        test = f->run->sessions[session]->held_first;
        if (test == POOL_NONE)
            return;
        for (; test != POOL_NONE; test = f->run->sessions[session]->held_first)
            passes(f, session, test);
    }
}
