/* supervise_limit.c - time limits: one timer for all workers, one for the run, and stacks on
 * demand. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "death.h"
#include "fs.h"
#include "supervise_inner.h"

#define STOPPED_MS       5000u /* a worker that a signal has stopped */
#define GRACE_MS         3000u /* from SIGTERM to SIGKILL */
#define LATE_MS          1000u /* a timer that is so late means that we were not running */
#define STACKS_WAIT_MS   300u
#define STACKS_BYTES_MAX (64u << 10)

static void set_timer(struct event *timer, uint64_t ms)
{
    struct timeval tv = { .tv_sec = (time_t)(ms / 1000),
                          .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

    (void)evtimer_add(timer, &tv);
}

static uint64_t now_ms(const struct supervisor *s)
{
    return clock_mono_ms(s->opts.clock);
}

static bool is_alive(const struct slot *slot)
{
    return slot->pid > 0 && !slot->exited && !slot->gone;
}

/* The timer waits for the first thing that is due. One that comes too early does no harm, so it is
 * set again only when something is due before it. */
static void await(struct supervisor *s, uint64_t due_ms)
{
    uint64_t now = now_ms(s);

    if (due_ms >= s->limit_due_ms)
        return;
    s->limit_due_ms = due_ms;
    set_timer(s->limit_timer, due_ms > now ? due_ms - now : 0);
}

/* The flags of a test and the default say how long it may take. */
static struct limit_test allowed_of(const struct supervisor *s, const struct worker *w)
{
    uint32_t test = w->started ? w->hand[0] : w->last;
    struct limit_test allowed = { .ms = 0 };

    if (test == WORKER_NO_TEST)
        return allowed;
    allowed = limit_of_flags(s->manifest->tests[test].flags, s->rules.test_ms);
    allowed.begun_ms = s->runs[test].started_us / 1000;
    return allowed;
}

void watch(struct supervisor *s, uint32_t number)
{
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;
    struct slot *slot;

    if (!w)
        return;
    slot = slot_at(s, number);
    limit_see(&slot->limit, w, allowed_of(s, w), now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

void watch_stopped(struct supervisor *s, struct slot *slot, int sig)
{
    slot->stop_signal = sig;
    limit_stopped(&slot->limit, now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

void watch_continued(struct supervisor *s, struct slot *slot)
{
    limit_continued(&slot->limit, now_ms(s));
    await(s, limit_due_ms(&slot->limit, &s->rules));
}

void watch_shift(struct supervisor *s, uint64_t ms)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        limit_shift(&s->slots[i]->limit, ms);
    for (uint32_t i = 0; s->runs && i < s->manifest->count; i++) {
        if (s->runs[i].started_us > 0 && s->runs[i].ended_us == 0)
            s->runs[i].started_us += ms * 1000;
    }
}

/* Stacks. */

int stacks_signal(void)
{
#ifdef SIGRTMIN
    return SIGRTMIN + 9; /* hardly a test sets this one for itself */
#else
    return SIGUSR2;
#endif
}

static int open_stacks(const struct supervisor *s, uint32_t number, uint64_t *out_size)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct stat st;
    int fd = -1;

    if (str_addf(&path, &ignored, "%s/gw%u.stack", s->folder, number) == ERR_NONE)
        fd = open(str_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    str_fini(&path);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
        fd_close(&fd);
    *out_size = fd >= 0 ? (uint64_t)st.st_size : 0;
    return fd;
}

void stacks_ask(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    int fd = open_stacks(s, number, &slot->stacks_from);

    fd_close(&fd);
    keeper_signal(s->opts.keeper, slot->pid, stacks_signal());
}

void stacks_take(struct supervisor *s, uint32_t number, struct str *out)
{
    struct slot *slot = slot_at(s, number);
    struct str raw = STR_MAX(STACKS_BYTES_MAX);
    struct err ignored = ERR_INIT;
    char text[4096];
    uint64_t size;
    ssize_t got;
    int fd = open_stacks(s, number, &size);

    while (fd >= 0 && slot->stacks_from < size) {
        got = pread(fd, text, sizeof(text), (off_t)slot->stacks_from);
        if (got <= 0 || str_add(&raw, text, (size_t)got, &ignored))
            break;
        slot->stacks_from += (uint64_t)got;
    }
    fd_close(&fd);
    death_trim_stacks((struct view){ .at = str_text(&raw), .len = raw.len }, out);
    str_fini(&raw);
}

static void on_stacks(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;

    (void)fd;
    (void)what;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        struct str text = STR_MAX(STACKS_BYTES_MAX + 4096);
        const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, i) : NULL;
        uint32_t test = w ? worker_running(w) : WORKER_NO_TEST;
        struct err ignored = ERR_INIT;

        if (!is_alive(s->slots[i]) || !w)
            continue;
        (void)!str_addf(&text, &ignored, "stacks of gw%u, %s:\n", i,
                        test == WORKER_NO_TEST ? "between tests" : s->manifest->tests[test].id);
        stacks_take(s, i, &text);
        if (text.len > 0 && text.at[text.len - 1] == '\n')
            text.at[text.len - 1] = '\0'; /* the sink ends the line */
        supervise_say(s, str_text(&text));
        str_fini(&text);
    }
}

void stacks_show_all(struct supervisor *s)
{
    bool any = false;

    for (uint32_t i = 0; i < s->slot_count; i++) {
        const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, i) : NULL;

        if (w && w->met && is_alive(s->slots[i])) { /* before that it has no handler */
            stacks_ask(s, i);
            any = true;
        }
    }
    if (any)
        set_timer(s->stacks_timer, STACKS_WAIT_MS);
    else
        say(s, "no worker runs that could show its stacks");
}

/* Limits. */

static void say_over(const struct supervisor *s, uint32_t number)
{
    const struct limit *l = &s->slots[number]->limit;
    bool known = l->subject != WORKER_NO_TEST;
    const char *id = known ? s->manifest->tests[l->subject].id : "";

    if (l->was_stopped)
        say(s, "worker gw%u was stopped by a signal and does not go on; it is replaced", number);
    else if (l->wait == LIMIT_TEST)
        say(s, "%s is over its time limit; its worker gw%u is replaced", id, number);
    else if (known && l->allowed.ms > 0)
        say(s, "what is torn down after %s is over its time limit; worker gw%u is replaced", id,
            number);
    else
        say(s, "worker gw%u does not answer%s%s; it is ended", number, known ? ", last after " : "",
            id);
}

static void step(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);

    switch (limit_tick(&slot->limit, &s->rules, now_ms(s))) {
    case LIMIT_FX_NONE:
        return;
    case LIMIT_FX_DUMP:
        say_over(s, number);
        dispatch_condemn(s->dispatch, number);
        if (dispatch_worker(s->dispatch, number)->met)
            stacks_ask(s, number);
        keeper_signal(s->opts.keeper, slot->pid, SIGCONT);
        return;
    case LIMIT_FX_TERM:
        keeper_signal(s->opts.keeper, slot->pid, SIGTERM);
        return;
    case LIMIT_FX_KILL:
        if (slot->pid > 0)
            keeper_signal_group(s->opts.keeper, slot->pid, SIGKILL);
        else
            worker_gone(s, number); /* it was asked for and never came */
        return;
    }
    UNREACHABLE("limit effect");
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint64_t now = now_ms(s), first_ms = LIMIT_NEVER;

    (void)fd;
    (void)what;
    if (now > s->limit_due_ms + LATE_MS) /* we stood still; what workers said meanwhile is unread */
        watch_shift(s, now - s->limit_due_ms);
    s->limit_due_ms = LIMIT_NEVER;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        uint64_t due_ms;

        if (s->slots[i]->gone || s->slots[i]->exited)
            continue;
        step(s, i);
        due_ms = limit_due_ms(&s->slots[i]->limit, &s->rules);
        first_ms = due_ms < first_ms ? due_ms : first_ms;
    }
    await(s, first_ms);
    do_effects(s);
}

static void on_run_limit(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    out_of_time(ctx);
}

void limits_start(struct supervisor *s)
{
    if (s->opts.local->run_timeout_ms > 0)
        set_timer(s->run_timer, s->opts.local->run_timeout_ms);
}

void limits_new(struct supervisor *s)
{
    s->rules = (struct limit_rules){ .test_ms = s->opts.local->timeout_ms,
                                     .stall_ms = s->opts.local->stall_ms,
                                     .stopped_ms = STOPPED_MS,
                                     .grace_ms = GRACE_MS };
    s->limit_due_ms = LIMIT_NEVER;
    s->limit_timer = evtimer_new(s->opts.base, on_limit, s);
    s->run_timer = evtimer_new(s->opts.base, on_run_limit, s);
    s->stacks_timer = evtimer_new(s->opts.base, on_stacks, s);
    INVARIANT(s->limit_timer && s->run_timer && s->stacks_timer);
}

void limits_free(struct supervisor *s)
{
    event_free(s->limit_timer);
    event_free(s->run_timer);
    event_free(s->stacks_timer);
}
