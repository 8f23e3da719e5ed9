#include "learned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mem.h"
#include "run.h"
#include "service/lesson.h"
#include "store/store_mem.h"

int learned_set_up(void **state)
{
    struct learned *l = mem_new(1, sizeof(*l));

    l->store = store_mem_new();
    *state = l;
    return 0;
}

int learned_tear_down(void **state)
{
    struct learned *l = *state;

    for (size_t i = 0; i < l->run_count; i++)
        run_free(l->runs[i]);
    free(l->runs);
    history_free(l->history);
    store_close(l->store);
    free(l);
    return 0;
}

struct run *learned_run(struct learned *l, const char *run_id, const char *const *ids,
                        uint32_t count)
{
    struct run *run = made_run(run_id, ids, count);

    l->runs = mem_grow(l->runs, &l->run_cap, l->run_count + 1, sizeof(struct run *));
    l->runs[l->run_count++] = run;
    return run;
}

void learn(struct learned *l, const struct run *run, uint64_t now_ms)
{
    struct lesson *lesson = lesson_of_run(run, now_ms);
    struct err err = ERR_INIT;
    bool more = true;

    while (more)
        OK(lesson_store_part(lesson, l->store, &more, &err));
    OK(lesson_prune(lesson, l->store, &err));
    lesson_free(lesson);
}

const struct history *recall(struct learned *l)
{
    struct err err = ERR_INIT;

    history_free(l->history);
    l->history = NULL;
    OK(history_load(l->store, "web", "unit", &l->history, &err));
    return l->history;
}

void assert_about(uint64_t got, uint64_t want)
{
    if (got + want / 1000 + 1 < want || got > want + want / 1000 + 1)
        fail_msg("%llu is not about %llu", (unsigned long long)got, (unsigned long long)want);
}

uint64_t known_us(const struct history *history, const char *kind, const char *id)
{
    const struct estimate *est = history_find(history, kind, id);

    return est ? estimate_us(est) : 0;
}
