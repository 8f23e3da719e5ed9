/* What runs teach goes into the history once; what people bring and take goes through it too. All
 * of it on the commit thread. */
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "service/auth.h"
#include "service/history.h"
#include "service/lesson.h"
#include "service/live.h"

/* ---- folding ---- */

struct fold {
    char run[ID_TEXT_BYTES];
    struct lesson *lesson;
};

static enum err_code fold_work(void *ctx, struct store *store, struct err *err)
{
    const struct fold *fold = ctx;

    return lesson_store(fold->lesson, store, err);
}

static void fold_done(void *ctx, enum err_code rc, const struct err *err)
{
    struct fold *fold = ctx;

    if (rc)
        log_error("history_not_folded run=%s code=%s why=\"%s\"", fold->run, err_name(rc),
                  err->text);
    lesson_free(fold->lesson);
    free(fold);
}

void fold_run(struct live *live)
{
    struct lesson *lesson = lesson_of_run(live->run, service_wall_ms(live->svc));
    struct fold *fold;
    struct commit_job job = { .work = fold_work, .done = fold_done };

    if (!lesson)
        return;
    fold = mem_new(1, sizeof(*fold));
    memcpy(fold->run, live->id, sizeof(fold->run));
    fold->lesson = lesson;
    job.ctx = fold;
    commit_do(live->svc->commit, &job);
}

/* ---- export and import ---- */

struct exchange {
    struct exchange *next; /* those on their way, for service_forget */
    struct service *svc;
    struct reply reply;
    char *project, *suite;
    bool import;
    struct duration *items; /* import: owned texts */
    uint32_t count;
    struct history *history; /* export */
    uint64_t now_ms;
};

static enum err_code exchange_work(void *ctx, struct store *store, struct err *err)
{
    struct exchange *x = ctx;
    struct durations durations = { .items = x->items, .count = x->count };

    if (x->import)
        return history_import(store, x->project, x->suite, &durations, x->now_ms, err);
    return history_load(store, x->project, x->suite, &x->history, err);
}

static void exchange_free(struct exchange *x)
{
    for (uint32_t i = 0; x->import && i < x->count; i++)
        free((void *)x->items[i].id);
    free(x->items);
    free(x->project);
    free(x->suite);
    history_free(x->history);
    free(x);
}

static void exchange_done(void *ctx, enum err_code rc, const struct err *err)
{
    struct exchange *x = ctx;
    struct exchange **at = &x->svc->exchanges;
    struct err none = ERR_INIT;
    struct durations durations;
    union answer answer = { .durations = &durations };

    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (!rc && !x->import)
        history_export(x->history, &x->items, &x->count);
    durations = (struct durations){ .items = x->items, .count = x->count };
    if (x->reply.fn)
        x->reply.fn(x->reply.ctx, &answer, rc ? err : &none);
    exchange_free(x);
}

void exchanges_forget(struct service *svc, const void *ctx)
{
    for (struct exchange *x = svc->exchanges; x; x = x->next)
        if (x->reply.ctx == ctx)
            x->reply.fn = NULL;
}

void exchanges_silence(struct service *svc)
{
    for (struct exchange *x = svc->exchanges; x; x = x->next)
        x->reply.fn = NULL;
}

static void exchange_start(struct service *svc, struct exchange *x)
{
    struct commit_job job = { .work = exchange_work, .done = exchange_done, .ctx = x };

    x->svc = svc;
    x->now_ms = service_wall_ms(svc);
    x->next = svc->exchanges;
    svc->exchanges = x;
    commit_do(svc->commit, &job);
}

static enum err_code allowed(struct service *svc, const char *bearer, const char *project,
                             enum role least, struct err *err)
{
    struct auth_grant grant;
    enum err_code rc = auth_check(svc->store, bearer, service_wall_ms(svc), &grant, err);

    return rc ? rc : auth_allows(&grant, project, least, err);
}

static struct exchange *exchange_new(const char *project, const char *suite, struct reply reply)
{
    struct exchange *x = mem_new(1, sizeof(*x));

    x->project = mem_strdup(project);
    x->suite = mem_strdup(suite);
    x->reply = reply;
    return x;
}

void service_durations_export(struct service *svc, const char *bearer, const char *project,
                              const char *suite, struct reply reply)
{
    struct err err = ERR_INIT;

    if (allowed(svc, bearer, project, ROLE_READ, &err))
        reply_err(reply, &err);
    else
        exchange_start(svc, exchange_new(project, suite, reply));
}

void service_durations_import(struct service *svc, const char *bearer, const char *project,
                              const char *suite, const struct durations *in, struct reply reply)
{
    struct err err = ERR_INIT;
    struct exchange *x;

    if (allowed(svc, bearer, project, ROLE_AGENT, &err)) {
        reply_err(reply, &err);
        return;
    }
    x = exchange_new(project, suite, reply);
    x->import = true;
    x->items = mem_new(in->count, sizeof(*x->items));
    x->count = in->count;
    for (uint32_t i = 0; i < in->count; i++)
        x->items[i] = (struct duration){ .id = mem_strdup(in->items[i].id), .us = in->items[i].us };
    exchange_start(svc, x);
}
