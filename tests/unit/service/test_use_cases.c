#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "place.h"

static void test_service_runs_a_run_to_its_verdict(void **state)
{
    struct place *p = *state;

    sealed(p);
    service_status(p->svc, p->token, p->run, to(p, on_status));
    assert_int_equal(p->live, 1);
    finishes(p);
    assert_true(p->final);
    assert_int_equal(p->verdict, VERDICT_GREEN);
    assert_int_equal(p->exit, 0);
    service_report(p->svc, p->token, p->run, REPORT_JUNIT, to(p, on_text));
    settle(p);
    assert_non_null(strstr(p->text, "<testsuites"));
    service_durations_export(p->svc, p->token, "p", "s", to(p, on_durations));
    settle(p);
    assert_int_equal(p->duration_count, 2);
}

/* A second run of the same tests needs no upload. */
static void test_service_knows_a_manifest_again(void **state)
{
    struct place *p = *state;

    sealed(p);
    finishes(p);
    joins(p, "p", NONCE "2", 0);
    p->action = COLLECTED_WAIT;
    collects(p);
    assert_int_equal(p->action, COLLECTED_GO);
}

static void test_service_refuses_strangers(void **state)
{
    struct place *p = *state;
    struct auth_new reader = { .project = "p", .label = "r", .role = ROLE_READ };
    struct auth_new old = { .project = "p", .label = "o", .role = ROLE_AGENT, .expires_ms = 5 };
    char good[TOKEN_TEXT_BYTES];

    sealed(p);
    memcpy(good, p->token, sizeof(good));
    joins(p, "other", NONCE "2", 1);
    assert_int_equal(p->err.code, ERR_FORBIDDEN);
    assert_int_equal(auth_token_new(p->store, &reader, p->token, &p->err), ERR_NONE);
    joins(p, "p", NONCE "2", 1);
    assert_int_equal(p->err.code, ERR_FORBIDDEN);
    service_close(p->svc, p->token, p->run, to(p, on_verdict));
    assert_int_equal(p->err.code, ERR_FORBIDDEN);
    service_status(p->svc, p->token, p->run, to(p, on_status));
    assert_int_equal(p->err.code, ERR_NONE);
    assert_int_equal(auth_token_new(p->store, &old, p->token, &p->err), ERR_NONE);
    joins(p, "p", NONCE "2", 1);
    assert_int_equal(p->err.code, ERR_TOKEN);
    service_status(p->svc, "msp_wrong", p->run, to(p, on_status));
    assert_int_equal(p->err.code, ERR_TOKEN);
    service_status(p->svc, NULL, p->run, to(p, on_status));
    assert_int_equal(p->err.code, ERR_TOKEN);
    service_status(p->svc, p->session_token, p->run, to(p, on_status)); /* its own run */
    assert_int_equal(p->err.code, ERR_NONE);
    service_close(p->svc, p->session_token, p->run, to(p, on_verdict));
    assert_int_equal(p->err.code, ERR_TOKEN);
    service_status(p->svc, good, "nosuchrun", to(p, on_status));
    assert_int_equal(p->err.code, ERR_RUN_UNKNOWN);
    memcpy(p->session_token, good, sizeof(good));
    pulls(p, 0, 0);
    assert_int_equal(p->err.code, ERR_TOKEN);
}

/* The same join again gives the same session and token; a short nonce is none. */
static void test_service_repeated_join_has_the_same_token(void **state)
{
    struct place *p = *state;
    char token[TOKEN_TEXT_BYTES];

    joins(p, "p", NONCE, 0);
    memcpy(token, p->session_token, sizeof(token));
    joins(p, "p", NONCE, 0);
    assert_string_equal(token, p->session_token);
    joins(p, "p", NONCE "3", 0);
    assert_int_equal(p->err.code, ERR_SLOT_TAKEN);
    joins(p, "p", "short", 1);
    assert_int_equal(p->err.code, ERR_INVALID);
}

/* Who waited for a slot takes over from an agent that died, not from one that was done: that would
 * run everything again, as if the job had been started again. */
static void test_service_slot_is_not_inherited_from_who_finished(void **state)
{
    struct place *p = *state;

    sealed(p);
    joins(p, "p", NONCE "2", 0);
    assert_int_equal(p->err.code, ERR_SLOT_TAKEN);
    finishes(p);
    assert_int_equal(p->verdict, VERDICT_GREEN);
    joins(p, "p", NONCE "2", 0);
    assert_int_equal(p->err.code, ERR_SLOT_TAKEN);
    joins(p, "p", NONCE "3", 0); /* the job comes again */
    assert_int_equal(p->err.code, ERR_NONE);
    joins(p, "p", NONCE "4", 0);
    assert_int_equal(p->err.code, ERR_SLOT_TAKEN);
    passes_time(p, PROTO_SESSION_MS + 1000);
    joins(p, "p", NONCE "4", 0);
    assert_int_equal(p->err.code, ERR_NONE);
}

static void test_service_refuses_a_manifest_of_another_digest(void **state)
{
    struct place *p = *state;
    char digest[MANIFEST_DIGEST_BYTES];

    joins(p, "p", NONCE, 0);
    memset(digest, 'a', sizeof(digest) - 1);
    digest[sizeof(digest) - 1] = '\0';
    uploads(p, digest);
    assert_int_equal(p->err.code, ERR_CONFLICT); /* nobody asked */
    uploads(p, "../../etc/passwd");
    assert_int_equal(p->err.code, ERR_INVALID);
    service_collected(p->svc, p->session_token, p->run,
                      &(struct collected_request){
                          .session = p->session, .digest = digest, .runtime = (char *)"x" },
                      to(p, on_collected));
    settle(p);
    assert_int_equal(p->action, COLLECTED_UPLOAD);
    uploads(p, digest);
    assert_int_equal(p->err.code, ERR_MALFORMED);
}

/* Who comes when all is done runs nothing; it may be content only if all that it would have run was
 * run. */
static void test_service_refuses_other_tests_when_all_is_done(void **state)
{
    struct place *p = *state;
    char digest[MANIFEST_DIGEST_BYTES];

    memset(digest, 'a', sizeof(digest) - 1);
    digest[sizeof(digest) - 1] = '\0';
    sealed(p);
    finishes(p);
    joins(p, "p", NONCE "2", 1);
    p->action = COLLECTED_WAIT;
    collects(p);
    assert_int_equal(p->action, COLLECTED_GO);
    joins(p, "p", NONCE "3", 2);
    service_collected(p->svc, p->session_token, p->run,
                      &(struct collected_request){
                          .session = p->session, .digest = digest, .runtime = (char *)"cpython" },
                      to(p, on_collected));
    settle(p);
    assert_int_equal(p->err.code, ERR_MISMATCH);
}

/* A pull without work is held: for its time, or until the client is gone. */
static void test_service_holds_a_pull(void **state)
{
    struct place *p = *state;
    uint32_t before;

    sealed(p);
    pulls(p, 0, 0);
    assert_int_equal(p->order_kind, ORDER_SHARD);
    p->now_ms += 10;
    before = p->answers;
    pulls(p, p->order, 30000); /* it has work: three seconds at most */
    if (p->answers == before)
        passes_time(p, 3500);
    assert_int_equal(p->answers, before + 1);
    p->now_ms += 10;
    pulls(p, p->order, 30000);
    before = p->answers;
    service_forget(p->svc, p);
    passes_time(p, 5000);
    assert_int_equal(p->answers, before);
}

/* A verdict is held until the run is over. */
static void test_service_holds_a_verdict(void **state)
{
    struct place *p = *state;
    uint32_t before;

    sealed(p);
    before = p->answers;
    service_verdict(p->svc, p->token, p->run, 30000, to(p, on_verdict));
    assert_int_equal(p->answers, before);
    passes_time(p, 12000); /* the session dies meanwhile */
    assert_int_equal(p->answers, before);
    service_close(p->svc, p->token, p->run, to(p, on_verdict));
    settle(p);
    assert_int_equal(p->answers, before + 2);
    assert_true(p->final);
    assert_int_equal(p->verdict, VERDICT_MACHINES);
}

static void test_service_session_dies_of_silence(void **state)
{
    struct place *p = *state;

    sealed(p);
    passes_time(p, PROTO_SESSION_MS - 1000);
    pulls(p, 0, 0);
    assert_int_equal(p->err.code, ERR_NONE);
    passes_time(p, PROTO_SESSION_MS + 1000);
    pulls(p, 0, 0);
    assert_int_equal(p->err.code, ERR_SESSION_GONE);
}

/* The coordinator itself was not running for a while: that is nobody's fault. */
static void test_service_forgives_silence_while_it_slept(void **state)
{
    struct place *p = *state;

    sealed(p);
    p->now_ms += 60000;
    pulls(p, 0, 0);
    assert_int_equal(p->err.code, ERR_NONE);
    (void)service_tick(p->svc);
    passes_time(p, 5000);
    pulls(p, 0, 0);
    assert_int_equal(p->err.code, ERR_NONE);
}

/* After a restart the run goes on, and sessions have 20 s. */
static void test_service_goes_on_after_a_restart(void **state)
{
    struct place *p = *state;

    sealed(p);
    pulls(p, 0, 0);
    reports(p, 1, "a.py::x", OUTCOME_PASSED);
    service_free(p->svc);
    p->now_ms += 100000;
    open_service(p);
    passes_time(p, 19000);
    finishes(p);
    assert_int_equal(p->verdict, VERDICT_GREEN);
}

/* A change that cannot be stored is never acknowledged, and what it did is undone. */
static void test_service_takes_back_what_was_not_stored(void **state)
{
    struct place *p = *state;
    struct store_fault_plan full = {
        .kind = STORE_FAULT_BEFORE, .code = ERR_DISK_FULL, .first_call = 1, .call_count = 2
    };

    sealed(p);
    pulls(p, 0, 0);
    p->accepted = 0;
    store_fault_set(p->store, &full);
    reports(p, 7, "a.py::x", OUTCOME_PASSED);
    assert_int_equal(p->err.code, ERR_DISK_FULL);
    assert_int_equal(p->accepted, 0);
    passes_time(p, 1000);
    reports(p, 7, "a.py::x", OUTCOME_PASSED); /* the same request again */
    assert_int_equal(p->err.code, ERR_NONE);
    assert_int_equal(p->accepted, 7);
    finishes(p);
    assert_int_equal(p->verdict, VERDICT_GREEN);
}

/* Which run it was, and why: each once. */
static void test_service_says_which_run_cannot_be_read(void **state)
{
    struct place *p = *state;
    struct store_fault_plan broken = {
        .kind = STORE_FAULT_BEFORE, .code = ERR_IO, .first_call = 2, .call_count = 9
    };
    struct str want = STR_MAX(200);
    struct err err = ERR_INIT;

    sealed(p);
    finishes(p);
    passes_time(p, 2 * 60000);          /* nobody asks for it: it is not held any more */
    store_fault_set(p->store, &broken); /* from behind the look at the token */
    service_status(p->svc, p->token, p->run, to(p, on_status));
    assert_int_equal(p->err.code, ERR_UNAVAILABLE);
    assert_int_equal(str_addf(&want, &err, "run %s: list: a fault was asked for", p->run),
                     ERR_NONE);
    assert_string_equal(p->err.text, str_text(&want));
    str_fini(&want);
}

static void test_service_lists_runs_of_the_project_only(void **state)
{
    struct place *p = *state;
    struct auth_new other = { .project = "q", .label = "x", .role = ROLE_ADMIN };

    sealed(p);
    service_runs(p->svc, p->token, &(struct run_query){ .run_key_prefix = "ke" }, to(p, on_runs));
    assert_int_equal(p->rows, 1);
    service_runs(p->svc, p->token, &(struct run_query){ .run_key = "none" }, to(p, on_runs));
    assert_int_equal(p->rows, 0);
    assert_int_equal(auth_token_new(p->store, &other, p->token, &p->err), ERR_NONE);
    service_runs(p->svc, p->token, &(struct run_query){ .run_key = "key" }, to(p, on_runs));
    assert_int_equal(p->rows, 0);
    service_durations_import(p->svc, p->token, "p", "s", &(struct durations){ .count = 0 },
                             to(p, on_durations));
    assert_int_equal(p->err.code, ERR_FORBIDDEN);
}

/* A shard tells, once, what a worker pays for the file around its tests. */
static void test_service_tells_set_ups_with_a_shard(void **state)
{
    struct store_estimate row = { .kind = "module", .id = "a.py", .seen_ms = 1 };
    struct store_fold fold = { .project = "p", .suite = "s", .rows = &row, .row_count = 1 };
    struct place *p = *state;

    estimate_add(&row.est, 70500, false);
    assert_int_equal(store_history_fold(p->store, &fold, &p->err), ERR_NONE);
    joins(p, "p", NONCE, 0);
    collects(p);
    uploads(p, NULL);
    pulls(p, 0, 0);
    assert_int_equal(p->order_kind, ORDER_SHARD);
    assert_int_equal(p->scope_count, 1);
    assert_string_equal(p->scope, "module a.py 70");
}

/* Stopping: what is held is answered, and nothing is held any more. */
static void test_service_releases_what_is_held(void **state)
{
    struct place *p = *state;
    uint32_t before;

    sealed(p);
    before = p->answers;
    service_verdict(p->svc, p->token, p->run, 30000, to(p, on_verdict));
    service_release_held(p->svc);
    assert_int_equal(p->answers, before + 1);
    assert_false(p->final);
    service_verdict(p->svc, p->token, p->run, 30000, to(p, on_verdict));
    assert_int_equal(p->answers, before + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(test_service_runs_a_run_to_its_verdict),
        place_test(test_service_knows_a_manifest_again),
        place_test(test_service_refuses_strangers),
        place_test(test_service_repeated_join_has_the_same_token),
        place_test(test_service_slot_is_not_inherited_from_who_finished),
        place_test(test_service_refuses_a_manifest_of_another_digest),
        place_test(test_service_refuses_other_tests_when_all_is_done),
        place_test(test_service_holds_a_pull),
        place_test(test_service_holds_a_verdict),
        place_test(test_service_session_dies_of_silence),
        place_test(test_service_forgives_silence_while_it_slept),
        place_test(test_service_goes_on_after_a_restart),
        place_test(test_service_takes_back_what_was_not_stored),
        place_test(test_service_says_which_run_cannot_be_read),
        place_test(test_service_lists_runs_of_the_project_only),
        place_test(test_service_tells_set_ups_with_a_shard),
        place_test(test_service_releases_what_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
