#include "service/errand.h"

static enum err_code work(void *ctx, struct store *store, struct err *err)
{
    struct errand *errand = ctx;

    errand->more = false;
    if (errand->only_asks && atomic_load(&errand->alone))
        return ERR_NONE;
    return errand->work(errand, store, err);
}

static void done(void *ctx, enum err_code rc, const struct err *err)
{
    struct errand *errand = ctx;
    struct errand **at = &errand->svc->errands;
    union answer answer = { .text = NULL };
    struct err none = ERR_INIT;

    if (!rc && errand->more && !errand->svc->ending) {
        commit_do(errand->on, &(struct commit_job){ .work = work, .done = done, .ctx = errand });
        return;
    }
    while (*at != errand)
        at = &(*at)->next;
    *at = errand->next;
    if (errand->reply.fn) {
        if (!rc)
            errand->answer(errand, &answer);
        errand->reply.fn(errand->reply.ctx, &answer, rc ? err : &none);
    }
    errand->free(errand);
}

void errand_start(struct service *svc, struct errand *take_errand)
{
    struct err err = ERR_INIT;
    uint32_t count = 0;

    for (struct errand *e = svc->errands; e; e = e->next)
        count++;
    if (count >= ERRANDS_MAX) {
        (void)err_set(&err, ERR_UNAVAILABLE, "too many large requests at once");
        reply_err(take_errand->reply, &err);
        take_errand->free(take_errand);
        return;
    }
    take_errand->svc = svc;
    take_errand->next = svc->errands;
    svc->errands = take_errand;
    commit_do(take_errand->on,
              &(struct commit_job){ .work = work, .done = done, .ctx = take_errand });
}

static void leave_alone(struct errand *errand)
{
    errand->reply.fn = NULL;
    atomic_store(&errand->alone, true);
}

void errands_forget(struct service *svc, const void *ctx)
{
    for (struct errand *e = svc->errands; e; e = e->next)
        if (e->reply.ctx == ctx)
            leave_alone(e);
}

void errands_silence(struct service *svc)
{
    for (struct errand *e = svc->errands; e; e = e->next)
        leave_alone(e);
}
