/* sim_event.c - what will happen, in order of time: a heap. */
#include "mem.h"
#include "plan/sim_inner.h"

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->number < b->number);
}

void sim_post(struct sim *s, uint64_t delay_us, struct event ev)
{
    size_t i = s->event_count++;

    s->events = mem_grow(s->events, &s->event_cap, s->event_count, sizeof(*s->events));
    ev.at_us = s->now_us + delay_us;
    ev.number = s->next_number++;
    for (; i && before(&ev, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
        s->events[i] = s->events[(i - 1) / 2];
    s->events[i] = ev;
}

struct event sim_next(struct sim *s)
{
    struct event first = s->events[0], last = s->events[--s->event_count];
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < s->event_count; i = child) {
        if (child + 1 < s->event_count && before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!before(&s->events[child], &last))
            break;
        s->events[i] = s->events[child];
    }
    s->events[i] = last;
    return first;
}
