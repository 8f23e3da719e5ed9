/* supervise/running.c - the tests in hand, by name: for who stops the run, or wonders why it is
 * quiet. */
#include <stdio.h>

#include "inner.h"

#define NAMED_MAX 4u

static uint32_t in_hand(const struct supervisor *s, uint32_t number)
{
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, number) : NULL;

    return w && s->slots[number]->pid > 0 && !s->slots[number]->exited ? worker_running(w)
                                                                       : WORKER_NO_TEST;
}

/* "still running: ID (gw0), ID (gw3) and 2 more". What does not fit is left out. */
void running_say(const struct supervisor *s, const char *what)
{
    struct str line = STR_MAX(NAMED_MAX * (MANIFEST_ID_BYTES_MAX + 16u));
    struct err ignored = ERR_INIT;
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->slot_count; i++) {
        uint32_t test = in_hand(s, i);

        if (test == WORKER_NO_TEST)
            continue;
        if (count++ < NAMED_MAX)
            (void)!str_addf(&line, &ignored, "%s%s (gw%u)", count == 1 ? what : ", ",
                            s->manifest->tests[test].id, i);
    }
    if (count > NAMED_MAX)
        (void)!str_addf(&line, &ignored, " and %u more", count - NAMED_MAX);
    if (count > 0)
        supervise_say(s, str_text(&line));
    str_fini(&line);
}

/* Said once, then after twice that time, until one ends. */
void on_quiet(int fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint64_t since_us = s->last_us ? s->last_us : s->first_us;
    uint64_t quiet_ms = since_us ? (now_us(s) - since_us) / 1000 : 0;
    char line[80];

    (void)fd;
    (void)what;
    if (s->phase != PHASE_RUN || s->signal)
        return;
    if (since_us != s->quiet_since_us)
        s->quiet_due_ms = s->opts.local->slow_ms;
    s->quiet_since_us = since_us;
    if (quiet_ms >= s->quiet_due_ms) {
        (void)snprintf(line, sizeof(line),
                       "no test has ended for %u.%u s; running: ", (unsigned)(quiet_ms / 1000),
                       (unsigned)(quiet_ms % 1000 / 100));
        running_say(s, line);
    }
    while (quiet_ms >= s->quiet_due_ms)
        s->quiet_due_ms *= 2;
    set_timer(s->quiet, s->quiet_due_ms - quiet_ms);
}

void running_start(struct supervisor *s)
{
    s->quiet_due_ms = s->opts.local->slow_ms;
    if (s->quiet_due_ms > 0)
        set_timer(s->quiet, s->quiet_due_ms);
}
