#include "learned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/lesson.h"

void learn(struct store *store, const struct run *run, uint64_t now_ms)
{
    struct lesson *lesson = lesson_of_run(run, now_ms);
    struct err err = ERR_INIT;
    bool more = true;

    while (more)
        OK(lesson_store_part(lesson, store, &more, &err));
    OK(lesson_prune(lesson, store, &err));
    lesson_free(lesson);
}

struct history *load(struct store *store)
{
    struct history *history = NULL;
    struct err err = ERR_INIT;

    OK(history_load(store, "web", "unit", &history, &err));
    return history;
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
