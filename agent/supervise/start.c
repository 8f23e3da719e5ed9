/* supervise/start.c - where workers come from: the zygote that has collected, or the forker. */
#include <stdlib.h>
#include <unistd.h>

#include "inner.h"
#include "mem.h"

static void ask(struct supervisor *s, uint32_t number, uint32_t how)
{
    peer_send(s->forker, &(struct frame){ .kind = FRAME_FORK,
                                          .flags = number == s->collector ? FRAME_FORK_TELLS : 0,
                                          .a = number,
                                          .b = how });
}

static uint32_t how_of(enum start_mode mode)
{
    switch (mode) {
    case START_FORK:
        return 0;
    case START_EARLY:
        return FRAME_FORK_EARLY;
    case START_SPAWN:
        return FRAME_FORK_SPAWN;
    }
    UNREACHABLE("start mode");
}

/* Workers that collect for themselves need not wait until there is something to run. */
static void start_all(struct supervisor *s)
{
    crew_first(s);
    for (uint32_t i = 0; i < s->wanted; i++) {
        slot_at(s, i)->asked = true;
        ask(s, i, how_of(s->start));
    }
}

static void set_why(struct supervisor *s, const char *text)
{
    free(s->start_why);
    s->start_why = text[0] ? mem_strdup(text) : NULL;
}

void start_decide(struct supervisor *s, const struct start_facts *facts)
{
    double collected_s = (double)(now_us(s) - s->collecting_us) / 1e6;
    struct start_choice choice;
    struct str text = STR_MAX(START_WHY_BYTES + 100);
    struct err ignored = ERR_INIT;

    start_choose(s->opts.local->start, START_AFTER_COLLECTION, facts, &choice);
    s->start = choice.mode;
    s->start_seen = s->opts.local->start == START_AUTO;
    if (choice.why[0])
        (void)!str_addf(&text, &ignored, "makespan: %s", choice.why);
    if (s->start_seen && s->start != START_FORK)
        s->early_why = mem_strdup(choice.why);
    if (s->start == START_FORK) {
        tell(s->forker, FRAME_QUIT, 0, 0, NULL);
    } else {
        (void)!str_addf(&text, &ignored, " (what took %.1f s is collected again)", collected_s);
        tell(s->zygote, FRAME_QUIT, 0, 0, NULL);
        start_all(s);
    }
    if (text.len > 0)
        set_why(s, str_text(&text));
    str_fini(&text);
}

uint64_t start_stamp(const struct supervisor *s)
{
    char cwd[PATH_BYTES_MAX];

    return footprint_stamp(getcwd(cwd, sizeof(cwd)) ? cwd : ".", s->opts.argv);
}

/* Why workers start early without a look at what a collection leaves; NULL: one is due. */
static const char *known_reason(const struct supervisor *s)
{
    const struct local *local = s->opts.local;

    if (local->start != START_AUTO || s->start != START_FORK)
        return NULL;
    return footprint_early(&local->footprint, start_stamp(s));
}

bool forker_joined(struct supervisor *s, struct peer *peer, const struct start_facts *facts)
{
    struct start_choice choice;
    struct str text = STR_MAX(START_WHY_BYTES + 100);
    struct err ignored = ERR_INIT;
    const char *known;

    if (s->forker || s->phase != PHASE_COLLECT)
        return false;
    s->forker = peer;
    start_choose(s->opts.local->start, START_BEFORE_CONFIGURE, facts, &choice);
    s->start = choice.mode;
    if ((known = known_reason(s)) != NULL) {
        s->start = START_EARLY;
        (void)!str_addf(&text, &ignored, "makespan: %s (seen %u run%s ago)", known,
                        s->opts.local->footprint.early_runs + 1,
                        s->opts.local->footprint.early_runs > 0 ? "s" : "");
    } else if (choice.why[0]) {
        (void)!str_addf(&text, &ignored, "makespan: %s", choice.why);
    }
    if (text.len > 0)
        set_why(s, str_text(&text));
    str_fini(&text);
    if (s->start == START_FORK) {
        ask(s, FRAME_ANY, 0);
    } else {
        s->collector = 0;
        start_all(s);
    }
    return true;
}

void forker_frame(struct supervisor *s, const struct frame *frame)
{
    if (frame->kind != FRAME_FORKED)
        return;
    if (frame->a == FRAME_ANY)
        zygote_forked(s, frame->b);
    else
        worker_forked(s, frame->a, frame->b);
}

bool zygote_joined(struct supervisor *s, struct peer *peer)
{
    if (s->zygote || s->phase != PHASE_COLLECT || s->collector != FRAME_ANY ||
        s->manifest->count > 0)
        return false;
    s->zygote = peer;
    s->collecting_us = now_us(s);
    return true;
}

/* Nobody is left who could start a worker. */
static void no_more(struct supervisor *s)
{
    if (s->phase == PHASE_COLLECT) {
        collector_died(s);
    } else if (s->dispatch && s->phase == PHASE_RUN) {
        dispatch_barren(s->dispatch);
        do_effects(s);
    }
}

void forker_closed(struct supervisor *s)
{
    s->forker = NULL;
    if (s->start != START_FORK || (s->phase == PHASE_COLLECT && !s->zygote))
        no_more(s);
}

/* One that has said HELLO is over when its connection is: what it has sent comes first. */
void zygote_exited(struct supervisor *s)
{
    s->zygote_pid = 0;
    if (!s->zygote && s->collector == FRAME_ANY && s->phase == PHASE_COLLECT)
        collector_died(s);
}

void zygote_closed(struct supervisor *s)
{
    s->zygote = NULL;
    if (s->start == START_FORK)
        no_more(s);
}

void start_worker(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    struct peer *from = s->start == START_FORK ? s->zygote : s->forker;
    bool is_coming = slot->asked && !slot->hired;

    if (!is_coming)
        slot_renew(s, number);
    if (!is_coming && number == s->collector)
        s->collector = FRAME_ANY; /* the run's collection is known: this one is compared with it */
    slot->hired = true;
    if (is_coming && slot->gone) {
        worker_lost(s, number);
    } else if (is_coming) {
        worker_ready(s, number);
    } else if (!from) {
        dispatch_barren(s->dispatch);
    } else {
        slot->asked = true;
        if (s->start == START_FORK)
            tell(from, FRAME_FORK, number, 0, NULL);
        else
            ask(s, number, how_of(s->start));
    }
}

void quit_starters(struct supervisor *s)
{
    tell(s->zygote, FRAME_QUIT, 0, 0, NULL);
    tell(s->forker, FRAME_QUIT, 0, 0, NULL);
}
