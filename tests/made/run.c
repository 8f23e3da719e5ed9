#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"

struct run *made_run(const char *run_id, const char *const *ids, uint32_t count)
{
    struct run *run = run_new();
    struct err err = ERR_INIT;

    assert_true(strlen(run_id) < sizeof(run->id));
    memcpy(run->id, run_id, strlen(run_id) + 1);
    run->project = mem_strdup("web");
    run->suite = mem_strdup("unit");
    run->run_key = mem_strdup("key");
    run->epoch = 1;
    run->state = RUN_RUNNING;
    run->manifest = manifest_new();
    for (uint32_t i = 0; i < count; i++)
        if (manifest_add(run->manifest, view_of(ids[i]), view_of(""), view_of(""), &err))
            fail_msg("%s", err.text);
    manifest_seal(run->manifest);
    run->test_count = count;
    run->lanes = lanes_of(run->manifest);
    run->tests = mem_new(count, sizeof(*run->tests));
    for (uint32_t i = 0; i < count; i++)
        run->tests[i].session = SESSION_NONE;
    return run;
}

void made_finish(struct run *run, uint32_t test, enum outcome outcome, uint64_t total_us)
{
    struct run_test *t = &run->tests[test];

    assert_true(total_us >= 300);
    t->place = TEST_DONE;
    t->outcome = outcome;
    t->setup_us = 100;
    t->call_us = total_us - 300;
    t->teardown_us = 200;
    t->tries = 1;
    run->done_count++;
    run->counts[outcome]++;
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

struct detail *made_detail(const char *when, const char *message, const char *text)
{
    struct detail *detail = mem_new(1, sizeof(*detail));

    detail->when = copy(when);
    detail->message = copy(message);
    detail->text = copy(text);
    return detail;
}

void made_session(struct run *run, uint64_t joined_ms, uint64_t collected_ms)
{
    struct session *session = mem_new(1, sizeof(*session));

    session->joined_ms = session->began_ms = joined_ms;
    session->collected = true;
    session->collected_ms = collected_ms;
    run->sessions = mem_grow(run->sessions, &run->session_cap, run->session_count + 1,
                             sizeof(struct session *));
    run->sessions[run->session_count++] = session;
}

void made_scope(struct run *run, const char *kind, const char *id, uint64_t setup_us,
                uint64_t teardown_us)
{
    run->scopes =
        mem_grow(run->scopes, &run->scope_cap, run->scope_count + 1, sizeof(*run->scopes));
    run->scopes[run->scope_count++] = (struct scope_cost){ .kind = mem_strdup(kind),
                                                           .id = mem_strdup(id),
                                                           .setup_us = setup_us,
                                                           .teardown_us = teardown_us };
}

static void add_fault(struct fault_list *list, const char *kind, const char *text)
{
    list->at = mem_grow(list->at, &list->cap, list->count + 1, sizeof(*list->at));
    list->at[list->count++] = (struct run_fault){ .session = SESSION_NONE,
                                                  .kind = mem_strdup(kind),
                                                  .text = mem_strdup(text) };
}

void made_fault(struct run *run, const char *kind, const char *text)
{
    add_fault(&run->faults, kind, text);
}

void made_remark(struct run *run, const char *kind, const char *text)
{
    add_fault(&run->remarks, kind, text);
}
