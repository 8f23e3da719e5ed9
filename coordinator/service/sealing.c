#include "service/sealing.h"

#include <stdlib.h>
#include <string.h>

#include "gz.h"
#include "mem.h"
#include "service/history.h"

void sealing_free(struct sealing *job)
{
    for (uint32_t i = 0; job->parts && i < job->part_count; i++)
        str_fini(&job->parts[i]);
    free(job->parts);
    free(job->project);
    free(job->suite);
    free(job->facts.costs_us);
    free(job->facts.scope_us);
    free(job->facts.failed);
    free(job->facts.highs_us);
    free(job->facts.mem_mib);
    manifest_free(job->facts.manifest);
    pool_free(job->facts.pool);
    free(job);
}

/* The parts as they came, decoded, checked against the digest, stored. */
static enum err_code read_parts(struct sealing *job, struct store *store, struct err *err)
{
    struct str text = STR_MAX(MANIFEST_TEXT_BYTES_MAX);
    struct view *views = mem_new(job->part_count, sizeof(*views));
    enum err_code rc = ERR_NONE;

    for (uint32_t i = 0; i < job->part_count && !rc; i++) {
        struct str part = STR_MAX(MANIFEST_PART_BYTES);

        views[i] = (struct view){ .at = str_text(&job->parts[i]), .len = job->parts[i].len };
        rc = gz_unpack(views[i].at, views[i].len, &part, err);
        if (!rc)
            rc = str_add(&text, str_text(&part), part.len, err);
        str_fini(&part);
    }
    if (!rc)
        rc = manifest_decode(str_text(&text), text.len, &job->facts.manifest, err);
    if (!rc && strcmp(job->facts.manifest->digest, job->digest) != 0)
        rc = err_set(err, ERR_MALFORMED, "manifest %s has digest %s", job->digest,
                     job->facts.manifest->digest);
    if (!rc)
        rc = store_manifest_put(store, job->digest, views, job->part_count, job->now_ms, err);
    free(views);
    str_fini(&text);
    return rc;
}

/* What the history says of each test and scope. */
static enum err_code read_costs(struct sealing *job, struct store *store, struct err *err)
{
    struct history *history = NULL;
    struct history_tests tests;
    struct suite *suite;
    enum err_code rc = history_load(store, job->project, job->suite, &history, err);

    if (rc)
        return rc;
    suite = suite_new(job->facts.manifest);
    history_tests(history, job->facts.manifest, &tests);
    job->facts.costs_us = tests.costs_us;
    job->facts.failed = tests.failed;
    job->facts.highs_us = tests.highs_us;
    job->facts.mem_mib = tests.mem_mib;
    job->facts.scope_us = mem_new(suite->scope_count, sizeof(*job->facts.scope_us));
    job->facts.scope_count = suite->scope_count;
    history_scope_costs(history, suite, job->facts.scope_us);
    job->facts.startup_us = history_startup_us(history);
    job->facts.pool = seal_pool(&job->facts);
    suite_free(suite);
    history_free(history);
    return ERR_NONE;
}

static enum err_code work(void *ctx, struct store *store, struct err *err)
{
    struct sealing *job = ctx;
    enum err_code rc;

    rc = job->parts ? read_parts(job, store, err)
                    : load_manifest(store, job->digest, &job->facts.manifest, err);
    if (rc)
        return rc;
    return read_costs(job, store, err);
}

void sealing_start(struct live *live, struct upload *u, sealing_done_fn done)
{
    struct sealing *job = mem_new(1, sizeof(*job));
    struct commit_job task = { .work = work, .done = done, .ctx = job };

    job->svc = live->svc;
    memcpy(job->run, live->id, sizeof(job->run));
    memcpy(job->digest, u->digest, sizeof(job->digest));
    job->project = mem_strdup(live->run->project);
    job->suite = mem_strdup(live->run->suite);
    job->now_ms = service_wall_ms(live->svc);
    job->parts = u->parts;
    job->part_count = u->part_count;
    u->parts = NULL;
    u->part_count = 0;
    u->have = 0;
    live->in_flight++;
    commit_do(live->svc->sealing, &task);
}
