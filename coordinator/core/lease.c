#include "core/lease.h"

void lease_touch(struct run *run, uint32_t session, uint64_t deadline_ms)
{
    struct session *s = run->sessions[session];

    if (deadline_ms > s->deadline_ms)
        s->deadline_ms = deadline_ms;
    if (run->next_deadline_ms == 0 || s->deadline_ms < run->next_deadline_ms)
        run->next_deadline_ms = s->deadline_ms;
}

void lease_shorten(struct run *run, uint32_t session, uint64_t deadline_ms)
{
    if (deadline_ms < run->sessions[session]->deadline_ms)
        run->sessions[session]->deadline_ms = deadline_ms;
    lease_touch(run, session, deadline_ms);
}

void lease_extend(struct run *run, uint64_t by_ms)
{
    for (uint32_t i = 0; i < run->session_count; i++)
        run->sessions[i]->deadline_ms += by_ms;
    if (run->next_deadline_ms)
        run->next_deadline_ms += by_ms;
}

void lease_start(struct run *run, uint64_t now_ms)
{
    run->next_deadline_ms = 0;
    for (uint32_t i = 0; i < run->session_count; i++) {
        run->sessions[i]->progress_ms = now_ms;
        if (session_lives(run->sessions[i]))
            lease_touch(run, i, now_ms + LEASE_RESTART_MS);
    }
    for (uint32_t i = 0; i < run->test_count; i++)
        run->tests[i].begun_ms = now_ms;
    lease_watch(run, now_ms);
}

void lease_watch(struct run *run, uint64_t now_ms)
{
    if (run->live_count > 0)
        run->quiet_since_ms = 0;
    else if (run->quiet_since_ms == 0)
        run->quiet_since_ms = now_ms ? now_ms : 1;
}

void lease_expire(struct run *run, uint64_t now_ms, struct change *out)
{
    struct index_list dead = { 0 };
    uint64_t next = 0;

    if (run->next_deadline_ms == 0 || now_ms <= run->next_deadline_ms)
        return;
    for (uint32_t i = 0; i < run->session_count; i++) {
        const struct session *s = run->sessions[i];

        if (!session_lives(s))
            continue;
        if (now_ms > s->deadline_ms)
            index_list_add(&dead, i);
        else if (next == 0 || s->deadline_ms < next)
            next = s->deadline_ms;
    }
    run->next_deadline_ms = next;
    if (dead.count)
        *out = (struct change){ .kind = CHANGE_EXPIRE, .as.expire.sessions = dead };
}

bool lease_quiet(const struct run *run, uint64_t now_ms)
{
    return run->live_count == 0 && run->quiet_since_ms != 0 &&
           now_ms - run->quiet_since_ms >= LEASE_QUIET_MS;
}
