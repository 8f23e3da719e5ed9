/* Durations as pytest-split's file has them: taken from the history and put into it; and what they
 * come to. */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "service/auth.h"
#include "service/errand.h"
#include "service/history.h"

#define IMPORT_PART_ROWS 2000u /* in one transaction: the changes of runs go in between */

struct exchange {
    struct errand errand;
    char *project, *suite;
    struct duration *items; /* import: owned texts; export: lent by history */
    uint32_t count;
    uint32_t stored;         /* import: so many are in the history */
    struct history *history; /* export */
    struct durations answer;
    struct suite_facts facts;
    bool import;
    uint64_t now_ms;
};

static enum err_code export_work(struct errand *errand, struct store *store, struct err *err)
{
    struct exchange *x = (struct exchange *)errand;
    enum err_code rc = history_load(store, x->project, x->suite, &x->history, err);

    if (!rc)
        history_export(x->history, &x->items, &x->count);
    return rc;
}

static enum err_code facts_work(struct errand *errand, struct store *store, struct err *err)
{
    struct exchange *x = (struct exchange *)errand;
    enum err_code rc = export_work(errand, store, err);

    if (rc)
        return rc;
    x->facts =
        (struct suite_facts){ .tests = x->count, .startup_us = history_startup_us(x->history) };
    for (uint32_t i = 0; i < x->count; i++)
        x->facts.work_us += x->items[i].us;
    return history_worker_mib(store, x->project, x->suite, &x->facts.worker_mib, err);
}

static void facts_answer(struct errand *errand, union answer *out)
{
    out->facts = &((struct exchange *)errand)->facts;
}

static enum err_code import_work(struct errand *errand, struct store *store, struct err *err)
{
    struct exchange *x = (struct exchange *)errand;
    uint32_t left = x->count - x->stored;
    struct durations part = { .items = x->items + x->stored,
                              .count = left < IMPORT_PART_ROWS ? left : IMPORT_PART_ROWS };
    enum err_code rc = history_import(store, x->project, x->suite, &part, x->now_ms, err);

    x->stored += part.count;
    errand->more = x->stored < x->count;
    return rc;
}

static void exchange_answer(struct errand *errand, union answer *out)
{
    struct exchange *x = (struct exchange *)errand;

    x->answer = (struct durations){ .items = x->items, .count = x->count };
    out->durations = &x->answer;
}

static void exchange_free(struct errand *errand)
{
    struct exchange *x = (struct exchange *)errand;

    for (uint32_t i = 0; x->import && i < x->count; i++)
        free((void *)x->items[i].id);
    free(x->items);
    free(x->project);
    free(x->suite);
    history_free(x->history);
    free(x);
}

struct asked {
    const char *bearer, *project, *suite;
    enum role least; /* that may ask for it */
};

/* NULL when it is not allowed: that is answered already. */
static struct exchange *exchange_new(struct service *svc, const struct asked *asked,
                                     struct reply reply)
{
    struct err err = ERR_INIT;
    struct auth_grant grant;
    struct exchange *x;

    if (auth_check(svc->store, asked->bearer, service_wall_ms(svc), &grant, &err) ||
        auth_allows(&grant, asked->project, asked->least, &err)) {
        reply_err(reply, &err);
        return NULL;
    }
    x = mem_new(1, sizeof(*x));
    x->errand.reply = reply;
    x->errand.answer = exchange_answer;
    x->errand.free = exchange_free;
    x->project = mem_strdup(asked->project);
    x->suite = mem_strdup(asked->suite);
    return x;
}

/* On the thread that only reads. */
static void ask_history(struct service *svc, struct exchange *take_x)
{
    take_x->errand.on = svc->aside;
    take_x->errand.only_asks = true;
    errand_start(svc, &take_x->errand);
}

void service_suite_facts(struct service *svc, const char *bearer, const char *project,
                         const char *suite, struct reply reply)
{
    const struct asked asked = { bearer, project, suite, ROLE_READ };
    struct exchange *x = exchange_new(svc, &asked, reply);

    if (!x)
        return;
    x->errand.work = facts_work;
    x->errand.answer = facts_answer;
    ask_history(svc, x);
}

void service_durations_export(struct service *svc, const char *bearer, const char *project,
                              const char *suite, struct reply reply)
{
    const struct asked asked = { bearer, project, suite, ROLE_READ };
    struct exchange *x = exchange_new(svc, &asked, reply);

    if (!x)
        return;
    x->errand.work = export_work;
    ask_history(svc, x);
}

void service_durations_import(struct service *svc, const char *bearer, const char *project,
                              const char *suite, const struct durations *in, struct reply reply)
{
    const struct asked asked = { bearer, project, suite, ROLE_AGENT };
    struct exchange *x = exchange_new(svc, &asked, reply);

    if (!x)
        return;
    x->errand.on = svc->commit; /* the one thread that reads and writes estimates */
    x->errand.work = import_work;
    x->import = true;
    x->now_ms = service_wall_ms(svc);
    x->items = mem_new(in->count, sizeof(*x->items));
    x->count = in->count;
    for (uint32_t i = 0; i < in->count; i++)
        x->items[i] = (struct duration){ .id = mem_strdup(in->items[i].id), .us = in->items[i].us };
    errand_start(svc, &x->errand);
}
