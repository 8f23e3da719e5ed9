#include "core/model.h"

#include <stdlib.h>
#include <string.h>

#include "core/change.h"
#include "mem.h"

const char *run_state_name(enum run_state state)
{
    switch (state) {
    case RUN_COLLECTING:
        return "collecting";
    case RUN_RUNNING:
        return "running";
    case RUN_FINAL:
        return "final";
    }
    UNREACHABLE("run state");
}

const char *session_state_name(enum session_state state)
{
    switch (state) {
    case SESSION_LIVE:
        return "live";
    case SESSION_DRAINING:
        return "draining";
    case SESSION_LEFT:
        return "left";
    case SESSION_LOST:
        return "lost";
    }
    UNREACHABLE("session state");
}

struct run *run_new(void)
{
    return mem_new(1, sizeof(struct run));
}

static void session_free(struct session *s)
{
    free(s->instance);
    free(s->agent_version);
    for (uint32_t i = 0; i < s->label_count; i++) {
        free(s->labels[i].key);
        free(s->labels[i].value);
    }
    free(s->labels);
    free(s->lacks);
    for (uint32_t i = 0; i < s->order_count; i++) {
        free(s->orders[i].tests);
        free(s->orders[i].text);
    }
    free(s->orders);
    free(s->last);
    free(s);
}

static void refs_free(struct test_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        test_ref_fini(&refs[i]);
    free(refs);
}

static void faults_free(struct fault_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        free(list->at[i].kind);
        free(list->at[i].text);
    }
    free(list->at);
}

void run_free(struct run *run)
{
    if (!run)
        return;
    for (uint32_t i = 0; i < run->session_count; i++)
        session_free(run->sessions[i]);
    for (uint32_t i = 0; run->tests && i < run->test_count; i++) {
        detail_free(run->tests[i].detail);
        detail_free(run->tests[i].amended);
    }
    faults_free(&run->faults);
    faults_free(&run->remarks);
    for (uint32_t i = 0; i < run->scope_count; i++)
        scope_cost_fini(&run->scopes[i]);
    for (uint32_t i = 0; i < run->skip_count; i++)
        unit_skip_fini(&run->skips[i]);
    free(run->skips);
    refs_free(run->mismatch.only_first, run->mismatch.only_first_count);
    refs_free(run->mismatch.only_other, run->mismatch.only_other_count);
    pool_free(run->pool);
    manifest_free(run->manifest);
    free(run->project);
    free(run->suite);
    free(run->run_key);
    free(run->fingerprint);
    free(run->command);
    free(run->runtime);
    free(run->stop);
    free(run->tests);
    free(run->finders);
    free(run->costs_us);
    free(run->highs_us);
    free(run->heavy);
    free(run->copies);
    free(run->carried);
    free(run->sessions);
    free(run->slots);
    free(run->fence_session);
    free(run->observations);
    free(run->scopes);
    free(run);
}

uint32_t run_session_find(const struct run *run, const char *id)
{
    uint32_t at = 0;
    const char *p = id;

    /* An id starts with its position ("12-7q2k..."), so that nothing has to be searched. */
    for (; *p >= '0' && *p <= '9' && at < SESSIONS_MAX; p++)
        at = at * 10 + (uint32_t)(*p - '0');
    if (p == id || *p != '-' || at >= run->session_count)
        return SESSION_NONE;
    return strcmp(run->sessions[at]->id, id) == 0 ? at : SESSION_NONE;
}

uint32_t run_session_of_nonce(const struct run *run, const char *nonce_hash)
{
    for (uint32_t i = run->session_count; i-- > 0;)
        if (strcmp(run->sessions[i]->nonce_hash, nonce_hash) == 0)
            return i;
    return SESSION_NONE;
}

const struct slot *run_slot(const struct run *run, uint32_t index)
{
    uint32_t low = 0;
    uint32_t high = run->slot_count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (run->slots[mid].index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low < run->slot_count && run->slots[low].index == index ? &run->slots[low] : NULL;
}

bool session_lives(const struct session *session)
{
    return session->state == SESSION_LIVE || session->state == SESSION_DRAINING;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

uint32_t session_exit(const struct session *session)
{
    bool content = session->runner_exit == EXIT_OK || session->runner_exit == EXIT_NO_TESTS;

    return content ? session->exit : session->runner_exit;
}

uint32_t session_busy(const struct session *session)
{
    return session->held_count + session->copy_count;
}

bool session_lacks(const struct session *session, uint32_t test)
{
    return session->lack_count &&
           bsearch(&test, session->lacks, session->lack_count, sizeof(test), compare_u32);
}

bool session_is_again(const struct session *session)
{
    return session->began_ms != session->joined_ms;
}

bool session_follows(const struct run *run, uint32_t session, uint32_t former)
{
    return former < session && !session_lives(run->sessions[former]) &&
           session_is_again(run->sessions[session]) &&
           strcmp(run->sessions[session]->instance, run->sessions[former]->instance) == 0;
}

bool session_takes_work(const struct run *run, uint32_t session)
{
    const struct session *s = run->sessions[session];

    return s->state == SESSION_LIVE && s->collected && !s->ended && !s->cancelled && !run->stop;
}

bool test_is_found(const struct run *run, uint32_t test)
{
    return test >= run->sealed_count;
}

bool session_may_run(const struct run *run, uint32_t session, uint32_t test)
{
    uint32_t finder;

    if (session_lacks(run->sessions[session], test))
        return false;
    if (!test_is_found(run, test))
        return true;
    finder = run->finders[test - run->sealed_count];
    if (session == finder || session_follows(run, session, finder))
        return true;
    for (uint32_t i = finder; i < run->session_count; i++)
        if ((i == finder || session_follows(run, i, finder)) && session_takes_work(run, i))
            return false;
    return true;
}

bool test_is_flaky(const struct run_test *test)
{
    if (test->place != TEST_DONE)
        return false;
    if (outcome_is_good(test->outcome))
        return (test->flags & TEST_SEEN_BAD) || (test->detail && test->detail->reruns > 0);
    return test->flags & TEST_SEEN_GOOD;
}
