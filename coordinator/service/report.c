/* Reports: written on a thread of their own from what the store holds, so that a large one holds up
 * neither the loop nor a run, and holds nothing that could still be lost. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "service/errand.h"

#define REPORT_BYTES_MAX (256u << 20)

struct reporting {
    struct errand errand;
    char run[ID_TEXT_BYTES];
    enum report_form form;
    struct str text;
};

static enum err_code work(struct errand *errand, struct store *store, struct err *err)
{
    struct reporting *r = (struct reporting *)errand;
    struct run *run = NULL;
    enum err_code rc = load_run(store, r->run, &run, err);

    if (!rc)
        rc = r->form == REPORT_JSON ? report_json(run, &r->text, err)
                                    : report_junit(run, &r->text, err);
    else if (rc == ERR_NOT_FOUND)
        rc = run_unknown(r->run, err);
    else if (rc == ERR_IO)
        rc = err->code = ERR_UNAVAILABLE;
    run_free(run);
    return rc;
}

static void answer(struct errand *errand, union answer *out)
{
    out->text = &((struct reporting *)errand)->text;
}

static void reporting_free(struct errand *errand)
{
    struct reporting *r = (struct reporting *)errand;

    str_fini(&r->text);
    free(r);
}

struct asked {
    const struct auth_grant *grant;
    bool found;
};

static enum err_code may_read(void *ctx, const struct store_run *run, struct err *err)
{
    struct asked *asked = ctx;

    asked->found = true;
    return auth_allows(asked->grant, run->project, ROLE_READ, err);
}

/* A project's token does not need the run in memory; a session's is known by the run alone. */
static enum err_code allowed(struct service *svc, const char *bearer, const char *run,
                             struct err *err)
{
    struct auth_grant grant;
    struct asked asked = { .grant = &grant };
    struct store_query query = { .id = run, .limit = 1 };
    struct err unknown = ERR_INIT;
    struct live *live = NULL;
    enum err_code rc;

    if (auth_check(svc->store, bearer, service_wall_ms(svc), &grant, &unknown))
        return reader_enter(svc, bearer, run, ROLE_READ, &live, err);
    rc = store_list(svc->store, &query, may_read, &asked, err);
    if (!rc && !asked.found)
        rc = run_unknown(run, err);
    return rc;
}

void service_report(struct service *svc, const char *bearer, const char *run, enum report_form form,
                    struct reply reply)
{
    struct reporting *r;
    struct err err = ERR_INIT;

    if (strlen(run) >= ID_TEXT_BYTES)
        (void)!run_unknown(run, &err);
    if (err.code || allowed(svc, bearer, run, &err)) {
        reply_err(reply, &err);
        return;
    }
    r = mem_new(1, sizeof(*r));
    r->errand.reply = reply;
    r->errand.on = svc->aside;
    r->errand.only_asks = true;
    r->errand.work = work;
    r->errand.answer = answer;
    r->errand.free = reporting_free;
    memcpy(r->run, run, strlen(run) + 1);
    r->form = form;
    r->text = (struct str)STR_MAX(REPORT_BYTES_MAX);
    errand_start(svc, &r->errand);
}
