/* supervise/running.c - the tests in hand, by name: for who stops the run. */
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
