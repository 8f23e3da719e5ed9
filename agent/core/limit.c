#include "limit.h"

#include <string.h>

/* What a worker that is being waited for is to say next. */
enum { WHAT_HELLO, WHAT_START, WHAT_IDLE, WHAT_FORGOT, WHAT_SETTLED, WHAT_BYE };

static bool read_ms(struct view word, const char *name, uint64_t *out_ms)
{
    size_t len = strlen(name);
    uint64_t ms = 0;

    if (word.len <= len || memcmp(word.at, name, len) != 0)
        return false;
    for (size_t i = len; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        ms = ms * 10 + (uint64_t)(word.at[i] - '0');
        if (ms > LIMIT_MS_MAX)
            ms = LIMIT_MS_MAX;
    }
    *out_ms = ms;
    return true;
}

struct limit_test limit_of_flags(const char *flags, uint64_t default_ms)
{
    struct limit_test out = { .ms = default_ms };

    while (*flags) {
        size_t len = strcspn(flags, ",");
        struct view word = { .at = flags, .len = len };

        if (read_ms(word, "timeout=", &out.ms))
            out.backstop = false;
        else if (read_ms(word, "backstop=", &out.ms))
            out.backstop = true;
        flags += len + (flags[len] == ',');
    }
    return out;
}

static enum limit_wait expected(const struct worker *w, uint32_t *out_what)
{
    switch (w->state) {
    case WORKER_STARTING:
        *out_what = WHAT_HELLO;
        return LIMIT_ANSWER;
    case WORKER_IDLE:
    case WORKER_WAITING:
        *out_what = WHAT_FORGOT;
        return w->recalling ? LIMIT_ANSWER : LIMIT_REST;
    case WORKER_RUNNING:
        *out_what = WHAT_START;
        return w->started ? LIMIT_TEST : LIMIT_ANSWER;
    case WORKER_SETTLING:
        *out_what = WHAT_IDLE;
        return LIMIT_ANSWER;
    case WORKER_QUITTING:
        *out_what = w->settled || w->bye ? WHAT_BYE : WHAT_SETTLED;
        return w->started ? LIMIT_TEST : LIMIT_ANSWER;
    case WORKER_DEAD:
        *out_what = 0;
        return LIMIT_REST;
    }
    UNREACHABLE("worker state");
}

void limit_see(struct limit *l, const struct worker *w, struct limit_test allowed, uint64_t now_ms)
{
    uint32_t what = 0;
    enum limit_wait wait = expected(w, &what);
    uint32_t subject = w->started ? w->hand[0] : w->last;

    /* Fixtures that outlive a test go down in its name and within its limit; a session's own end
     * and a worker's start belong to no test. */
    if (wait == LIMIT_ANSWER && (what == WHAT_HELLO || what == WHAT_BYE)) {
        subject = WORKER_NO_TEST;
        allowed = (struct limit_test){ .ms = 0 };
    }
    if (l->stage != LIMIT_FINE) /* what it is being ended for stands */
        return;
    if (wait == l->wait && subject == l->subject && what == l->what)
        return;
    l->wait = wait;
    l->subject = subject;
    l->what = what;
    l->allowed = allowed;
    l->since_ms = wait == LIMIT_TEST ? allowed.begun_ms : now_ms;
}

void limit_stopped(struct limit *l, uint64_t now_ms)
{
    if (l->stopped_at_ms == 0)
        l->stopped_at_ms = now_ms > 0 ? now_ms : 1;
}

void limit_continued(struct limit *l, uint64_t now_ms)
{
    if (l->stopped_at_ms > 0 && l->stage == LIMIT_FINE && now_ms > l->stopped_at_ms)
        l->since_ms += now_ms - l->stopped_at_ms;
    l->stopped_at_ms = 0;
}

void limit_shift(struct limit *l, uint64_t ms)
{
    l->since_ms += ms;
    l->stage_ms += ms;
    if (l->stopped_at_ms > 0)
        l->stopped_at_ms += ms;
}

static uint64_t allowed_ms(const struct limit *l, const struct limit_rules *rules)
{
    if (l->wait == LIMIT_TEST)
        return l->allowed.ms;
    return l->allowed.ms > 0 ? l->allowed.ms + LIMIT_SLACK_MS : rules->stall_ms;
}

/* Until when what it does now may last, were it never stopped. */
static uint64_t patience_ends_ms(const struct limit *l, const struct limit_rules *rules)
{
    uint64_t ms = l->wait == LIMIT_REST ? 0 : allowed_ms(l, rules);

    return ms > 0 ? l->since_ms + ms : LIMIT_NEVER;
}

uint64_t limit_due_ms(const struct limit *l, const struct limit_rules *rules)
{
    switch (l->stage) {
    case LIMIT_FINE:
        if (l->stopped_at_ms > 0)
            return l->stopped_at_ms + rules->stopped_ms;
        return patience_ends_ms(l, rules);
    case LIMIT_DUMPING:
        return l->stage_ms + LIMIT_DUMP_MS;
    case LIMIT_TERMINATING:
        return l->stage_ms + rules->grace_ms;
    case LIMIT_KILLED:
        return LIMIT_NEVER;
    }
    UNREACHABLE("limit stage");
}

enum limit_fx limit_tick(struct limit *l, const struct limit_rules *rules, uint64_t now_ms)
{
    if (now_ms < limit_due_ms(l, rules))
        return LIMIT_FX_NONE;
    l->stage_ms = now_ms;
    switch (l->stage) {
    case LIMIT_FINE:
        l->was_stopped = l->stopped_at_ms > 0;
        l->stage = LIMIT_DUMPING;
        return LIMIT_FX_DUMP;
    case LIMIT_DUMPING:
        l->stage = LIMIT_TERMINATING;
        return LIMIT_FX_TERM;
    case LIMIT_TERMINATING:
        l->stage = LIMIT_KILLED;
        return LIMIT_FX_KILL;
    case LIMIT_KILLED:
        return LIMIT_FX_NONE;
    }
    UNREACHABLE("limit stage");
}
