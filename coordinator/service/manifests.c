/* collected and the upload of a manifest: one agent uploads, the others wait, everybody goes on.
 *
 * Parsing, storing and looking up history happen on a thread of their own; a digest that the store
 * knows already is not uploaded again. */
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/lease.h"
#include "gz.h"
#include "log.h"
#include "mem.h"
#include "service/history.h"
#include "service/live.h"

#define COLLECTED_WAIT_MS 10000u
#define UPLOADS_MAX       SESSIONS_MAX
#define UPLOAD_LEASE_MS   20000u /* without a part somebody else is asked */
#define PART_BYTES_MAX                                                                             \
    (MANIFEST_PART_BYTES + (64u << 10)) /* gzip of what cannot be made smaller                     \
                                         */
#define PARTS_MAX (MANIFEST_TEXT_BYTES_MAX / MANIFEST_PART_BYTES)

/* ---- the job on the thread for sealing ---- */

struct job {
    struct service *svc;
    char run[ID_TEXT_BYTES];
    char digest[MANIFEST_DIGEST_BYTES];
    char *project, *suite;
    struct str *parts; /* NULL: from the store */
    uint32_t part_count;
    uint64_t now_ms;
    struct seal_facts facts; /* what came out */
};

static void job_free(struct job *job)
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
static enum err_code read_parts(struct job *job, struct store *store, struct err *err)
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
static enum err_code read_costs(struct job *job, struct store *store, struct err *err)
{
    struct history *history = NULL;
    struct suite *suite;
    enum err_code rc = history_load(store, job->project, job->suite, &history, err);

    if (rc)
        return rc;
    suite = suite_new(job->facts.manifest);
    job->facts.costs_us = mem_new(suite->test_count, sizeof(*job->facts.costs_us));
    job->facts.scope_us = mem_new(suite->scope_count, sizeof(*job->facts.scope_us));
    job->facts.scope_count = suite->scope_count;
    (void)history_test_costs(history, job->facts.manifest, job->facts.costs_us);
    history_scope_costs(history, suite, job->facts.scope_us);
    job->facts.failed = mem_new(suite->test_count, sizeof(*job->facts.failed));
    history_failed(history, job->facts.manifest, job->facts.failed);
    job->facts.highs_us = mem_new(suite->test_count, sizeof(*job->facts.highs_us));
    history_highs(history, job->facts.manifest, job->facts.highs_us);
    job->facts.mem_mib = mem_new(suite->test_count, sizeof(*job->facts.mem_mib));
    history_memory(history, job->facts.manifest, job->facts.mem_mib);
    job->facts.startup_us = history_startup_us(history);
    job->facts.pool = seal_pool(&job->facts);
    suite_free(suite);
    history_free(history);
    return ERR_NONE;
}

static enum err_code job_work(void *ctx, struct store *store, struct err *err)
{
    struct job *job = ctx;
    enum err_code rc;

    rc = job->parts ? read_parts(job, store, err)
                    : load_manifest(store, job->digest, &job->facts.manifest, err);
    if (rc)
        return rc;
    return read_costs(job, store, err);
}

static void job_done(void *ctx, enum err_code rc, const struct err *err);

static void job_start(struct live *live, struct upload *u)
{
    struct job *job = mem_new(1, sizeof(*job));
    struct commit_job work = { .work = job_work, .done = job_done, .ctx = job };

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
    commit_do(live->svc->sealing, &work);
}

/* ---- uploads of a run ---- */

static struct upload *upload_find(const struct live *live, const char *digest)
{
    struct upload *u = live->uploads;

    while (u && strcmp(u->digest, digest) != 0)
        u = u->next;
    return u;
}

static void parts_free(struct upload *u)
{
    for (uint32_t i = 0; i < u->part_count; i++)
        str_fini(&u->parts[i]);
    free(u->parts);
    u->parts = NULL;
    u->part_count = 0;
    u->have = 0;
}

static void upload_free(struct upload *u)
{
    struct err err = ERR_INIT;

    (void)err_set(&err, ERR_UNAVAILABLE, "the run is being loaded again");
    reply_err(u->reply, &err);
    parts_free(u);
    manifest_free(u->manifest);
    free(u->runtime);
    free(u);
}

void uploads_free(struct live *live)
{
    while (live->uploads) {
        struct upload *u = live->uploads;

        live->uploads = u->next;
        upload_free(u);
    }
}

static void upload_assign(struct live *live, struct upload *u, uint32_t session,
                          const char *runtime)
{
    char *copy = mem_strdup(runtime);

    u->session = session;
    free(u->runtime);
    u->runtime = copy;
    u->until_ms = service_now_ms(live->svc) + UPLOAD_LEASE_MS;
}

static void answer_action(struct live *live, struct reply reply, enum collected_action action)
{
    struct box box = { .kind = BOX_COLLECTED, .as.collected.action = action };

    live_answer(live, reply, &box);
}

/* With what is known of the memory of its tests. */
static void answer_go(struct live *live, struct reply reply)
{
    const struct run *run = live->run;
    struct box box = { .kind = BOX_COLLECTED, .as.collected.action = COLLECTED_GO };
    struct collected_answer *a = &box.as.collected;

    a->heavy = mem_new(run->heavy_count, sizeof(*a->heavy));
    for (; a->heavy_count < run->heavy_count; a->heavy_count++) {
        const struct heavy_test *heavy = &run->heavy[a->heavy_count];
        const struct manifest_test *test = &run->manifest->tests[heavy->test];

        a->heavy[a->heavy_count] =
            (struct test_mem){ .test = { .id = mem_strdup(test->id), .k = test->k },
                               .mem_mib = heavy->mem_mib };
    }
    live_answer(live, reply, &box);
}

/* The session's manifest is known: it takes part. */
static enum err_code take_part(struct live *live, uint32_t session, const char *runtime,
                               const struct manifest *manifest, struct err *err)
{
    struct collected_facts facts = { .session = session,
                                     .runtime = runtime,
                                     .manifest = manifest,
                                     .now_ms = service_wall_ms(live->svc) };
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc = decide_collected(live->run, &facts, &change, err);

    if (change.kind == CHANGE_COLLECTED && change.as.collected.differs)
        log_warn("collection_differs run=%s session=%s missing=%u more=%u", live->id,
                 live->run->sessions[session]->id, change.as.collected.lacks.count,
                 change.as.collected.only_other_total);
    live_turn(live, &change);
    return rc;
}

/* Answers all who wait for this digest, with go; or makes the first of them upload it. */
static void wake_collected(struct live *live, struct upload *u)
{
    struct held **at = &live->held;

    while (*at) {
        struct held *held = *at;
        struct err err = ERR_INIT;

        if (held->kind != HELD_COLLECTED || strcmp(held->digest, u->digest) != 0) {
            at = &held->next;
            continue;
        }
        if (u->state == UPLOAD_PARTS && u->session != SESSION_NONE)
            return;
        *at = held->next;
        live->held_count--;
        held_over(live, held);
        if (u->state == UPLOAD_PARTS) {
            if (held->reply.fn) { /* else it would never hear of it */
                upload_assign(live, u, held->session, held->runtime);
                answer_action(live, held->reply, COLLECTED_UPLOAD);
            }
        } else if (take_part(live, held->session, held->runtime, u->manifest, &err)) {
            live_refuse(live, held->reply, &err);
        } else {
            answer_go(live, held->reply);
        }
        held_free(held);
    }
}

static void seal(struct live *live, struct job *job)
{
    struct change change = { .kind = CHANGE_NONE };

    decide_seal(live->run, &job->facts, &change);
    live_turn(live, &change);
    log_info("run_sealed run=%s tests=%u everything=%s", live->id, live->run->test_count,
             live->run->wide ? "yes" : "no");
}

static void part_reply(struct live *live, struct upload *u, uint32_t have, const struct err *err)
{
    struct box box = { .kind = BOX_PART, .as.part = { .have = have, .sealed = true } };
    struct reply reply = u->reply;

    u->reply = (struct reply){ .fn = NULL };
    if (reply.fn && err->code)
        live_refuse(live, reply, err);
    else if (reply.fn)
        live_answer(live, reply, &box);
}

static void job_failed(struct live *live, struct upload *u, enum err_code rc, const struct err *err)
{
    struct reply reply = u->reply;

    u->reply = (struct reply){ .fn = NULL };
    if (rc != ERR_NOT_FOUND || u->state == UPLOAD_READING)
        log_warn("manifest_refused run=%s digest=%s code=%s why=\"%s\"", live->id, u->digest,
                 err_name(rc), err->text);
    u->state = UPLOAD_PARTS;
    u->session = SESSION_NONE;
    if (reply.fn)
        live_refuse(live, reply, err);
    wake_collected(live, u);
}

static void job_done(void *ctx, enum err_code rc, const struct err *err)
{
    struct job *job = ctx;
    struct live *live = NULL;
    struct err found = ERR_INIT;
    struct upload *u = NULL;

    live = live_loaded(job->svc, job->run);
    if (!live)
        goto out;
    live->in_flight--;
    u = live->broken ? NULL : upload_find(live, job->digest);
    if (!u || (u->state != UPLOAD_LOOKING && u->state != UPLOAD_READING))
        goto settle;
    if (rc) {
        job_failed(live, u, rc, err);
        goto settle;
    }
    u->state = UPLOAD_READY;
    if (!live->run->manifest && live->run->state != RUN_FINAL) {
        seal(live, job);
    } else {
        u->manifest = job->facts.manifest;
        job->facts.manifest = NULL;
    }
    if (u->session != SESSION_NONE && session_lives(live->run->sessions[u->session]))
        (void)take_part(live, u->session, u->runtime, u->manifest, &found); /* found tells */
    part_reply(live, u, job->part_count, &found);
    wake_collected(live, u);
    manifest_free(u->manifest); /* one for each agent would be too much: it is in the store */
    u->manifest = NULL;
settle:
    if (live->broken)
        live_mend(live);
    else
        live_settle(live);
out:
    job_free(job);
}

void uploads_tick(struct live *live, uint64_t now_ms)
{
    for (struct upload *u = live->uploads; u; u = u->next) {
        if (u->state != UPLOAD_PARTS || now_ms <= u->until_ms)
            continue;
        u->session = SESSION_NONE; /* it does not send: somebody who waits is asked */
        parts_free(u);
        wake_collected(live, u);
    }
}

/* ---- requests ---- */

static void hold(struct live *live, uint32_t session, const struct collected_request *req,
                 struct reply reply)
{
    uint64_t until_ms = service_now_ms(live->svc) + COLLECTED_WAIT_MS;
    struct held *held;

    if (live->svc->releasing) {
        answer_action(live, reply, COLLECTED_WAIT);
        return;
    }
    held = live_hold(live, HELD_COLLECTED, reply, until_ms);
    held->session = session;
    held->digest = mem_strdup(req->digest);
    held->runtime = mem_strdup(req->runtime);
    lease_touch(live->run, session, until_ms + PROTO_SESSION_MS);
}

static void look_up(struct live *live, uint32_t session, const struct collected_request *req,
                    struct reply reply)
{
    struct err err = ERR_INIT;
    struct upload *u = live->uploads;
    uint32_t count = 0;

    for (; u; u = u->next)
        count++;
    if (count == UPLOADS_MAX) {
        (void)err_set(&err, ERR_TOO_LARGE, "a run has at most %u sets of tests", UPLOADS_MAX);
        live_refuse(live, reply, &err);
        return;
    }
    u = mem_new(1, sizeof(*u));
    memcpy(u->digest, req->digest, strlen(req->digest) + 1);
    u->state = UPLOAD_LOOKING;
    u->session = SESSION_NONE;
    u->next = live->uploads;
    live->uploads = u;
    hold(live, session, req, reply);
    job_start(live, u);
}

/* The manifest is not what is sealed. */
static void collected_other(struct live *live, uint32_t session,
                            const struct collected_request *req, struct reply reply)
{
    struct upload *u = upload_find(live, req->digest);

    if (!u) {
        look_up(live, session, req, reply);
        return;
    }
    switch (u->state) {
    case UPLOAD_LOOKING:
    case UPLOAD_READING:
        hold(live, session, req, reply);
        return;
    case UPLOAD_PARTS:
        if (u->session != SESSION_NONE && u->session != session &&
            session_lives(live->run->sessions[u->session])) {
            hold(live, session, req, reply);
            return;
        }
        upload_assign(live, u, session, req->runtime);
        answer_action(live, reply, COLLECTED_UPLOAD);
        return;
    case UPLOAD_READY:
        u->state = UPLOAD_LOOKING;
        u->session = SESSION_NONE;
        hold(live, session, req, reply);
        job_start(live, u);
        return;
    }
    UNREACHABLE("upload state");
}

static enum err_code check_digest(const char *digest, struct err *err)
{
    size_t len = digest ? strlen(digest) : 0;

    if (len != MANIFEST_DIGEST_BYTES - 1 || strspn(digest, "0123456789abcdef") != len)
        return err_set(err, ERR_INVALID, "'%s' is not a digest", digest ? digest : "");
    return ERR_NONE;
}

/* What is refused whoever else has what. */
static enum err_code check_offer(const struct run *run, uint32_t session,
                                 const struct collected_request *req, struct err *err)
{
    enum err_code rc = check_digest(req->digest, err);

    if (!rc && !run->sessions[session]->late)
        rc = decide_runtime(run, req->runtime ? req->runtime : "", err);
    if (!rc && run->state == RUN_FINAL)
        rc = decide_collected_after(run, session, req->digest, err);
    return rc;
}

void service_collected(struct service *svc, const char *bearer, const char *run,
                       const struct collected_request *req, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    uint32_t session = SESSION_NONE;
    const struct session *s;

    if (service_enter(svc, &(struct entry){ bearer, run, req->session }, &live, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    s = live->run->sessions[session];
    if (check_offer(live->run, session, req, &err)) {
        live_refuse(live, reply, &err);
    } else if (s->collected || live->run->state == RUN_FINAL) {
        answer_go(live, reply);
    } else if (live->run->manifest && strcmp(live->run->manifest->digest, req->digest) == 0) {
        if (take_part(live, session, req->runtime ? req->runtime : "", NULL, &err))
            live_refuse(live, reply, &err);
        else
            answer_go(live, reply);
    } else {
        collected_other(live, session, req, reply);
    }
    live_settle(live);
}

/* The part's place, or why it has none. */
static enum err_code part_check(struct upload *u, const struct manifest_part *part, struct err *err)
{
    if (!u || u->state != UPLOAD_PARTS || !u->runtime)
        return err_set(err, ERR_CONFLICT, "manifest %s was not asked for", part->digest);
    if (part->of == 0 || part->of > PARTS_MAX || part->part >= part->of)
        return err_set(err, ERR_INVALID, "part %u of %u", part->part, part->of);
    if (part->bytes.len == 0 || part->bytes.len > PART_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "part of %zu bytes", part->bytes.len);
    if (u->part_count && u->part_count != part->of)
        return err_set(err, ERR_CONFLICT, "part of %u, before it was of %u", part->of,
                       u->part_count);
    return ERR_NONE;
}

static enum err_code part_add(struct upload *u, const struct manifest_part *part, struct err *err)
{
    enum err_code rc = part_check(u, part, err);
    struct str *into;

    if (rc)
        return rc;
    INVARIANT(u);
    if (!u->parts) {
        u->parts = mem_new(part->of, sizeof(*u->parts));
        u->part_count = part->of;
    }
    into = &u->parts[part->part];
    if (into->len)
        return ERR_NONE; /* sent again */
    into->max = PART_BYTES_MAX;
    rc = str_add(into, part->bytes.at, part->bytes.len, err);
    if (!rc)
        u->have++;
    return rc;
}

/* Whose upload it is stands in the run: the bearer is that session's. */
static enum err_code part_session(const struct live *live, const struct upload *u,
                                  const char *bearer, uint32_t *out, struct err *err)
{
    if (u && u->session != SESSION_NONE)
        return live_session(live, bearer, live->run->sessions[u->session]->id, out, err);
    for (uint32_t i = live->run->session_count; i-- > 0;)
        if (!live_session(live, bearer, live->run->sessions[i]->id, out, err))
            return ERR_NONE;
    return err_set(err, ERR_TOKEN, "no credential of this run");
}

/* The last one has the whole read before it is answered. One that comes when its upload was given
 * up already, and nobody else was asked meanwhile, is as welcome. */
static void part_added(struct live *live, struct upload *u, uint32_t session, struct reply reply)
{
    struct box box = { .kind = BOX_PART };

    INVARIANT(u);
    u->session = session;
    if (u->have < u->part_count) {
        u->until_ms = service_now_ms(live->svc) + UPLOAD_LEASE_MS;
        box.as.part.have = u->have;
        live_answer(live, reply, &box);
    } else {
        u->reply = reply;
        u->state = UPLOAD_READING;
        job_start(live, u);
    }
}

void service_manifest_part(struct service *svc, const char *bearer, const char *run,
                           const struct manifest_part *part, struct reply reply)
{
    struct err err = ERR_INIT;
    struct live *live = NULL;
    struct upload *u;
    struct box box = { .kind = BOX_PART };
    uint32_t session = SESSION_NONE;

    if (check_digest(part->digest, &err) || live_find(svc, run, &live, &err)) {
        reply_err(reply, &err);
        return;
    }
    u = upload_find(live, part->digest);
    if (part_session(live, u, bearer, &session, &err)) {
        reply_err(reply, &err);
        return;
    }
    live_expire(live);
    lease_touch(live->run, session, service_now_ms(svc) + PROTO_SESSION_MS);
    if ((u && u->state == UPLOAD_READY) ||
        (live->run->manifest && strcmp(live->run->manifest->digest, part->digest) == 0)) {
        box.as.part = (struct part_answer){ .have = part->of, .sealed = true };
        live_answer(live, reply, &box);
    } else if (part_add(u, part, &err)) {
        live_refuse(live, reply, &err);
    } else {
        part_added(live, u, session, reply);
    }
    live_settle(live);
}
