/* A manifest is uploaded in parts by one agent that has it, while the others wait; a digest that
 * the store knows already is not uploaded again. */
#include "service/uploads.h"

#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/lease.h"
#include "log.h"
#include "mem.h"
#include "service/sealing.h"

#define UPLOADS_MAX     SESSIONS_MAX
#define UPLOAD_LEASE_MS 20000u /* without a part somebody else is asked */
/* gzip of what cannot be made smaller */
#define PART_BYTES_MAX (MANIFEST_PART_BYTES + (64u << 10))
#define PARTS_MAX      (MANIFEST_TEXT_BYTES_MAX / MANIFEST_PART_BYTES)

enum err_code digest_check(const char *digest, struct err *err)
{
    size_t len = digest ? strlen(digest) : 0;

    if (len != MANIFEST_DIGEST_BYTES - 1 || strspn(digest, "0123456789abcdef") != len)
        return err_set(err, ERR_INVALID, "'%s' is not a digest", digest ? digest : "");
    return ERR_NONE;
}

/* ---- uploads of a run ---- */

struct upload *upload_find(const struct live *live, const char *digest)
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

void upload_assign(struct live *live, struct upload *u, uint32_t session, const char *runtime)
{
    char *copy = mem_strdup(runtime);

    u->session = session;
    free(u->runtime);
    u->runtime = copy;
    u->until_ms = service_now_ms(live->svc) + UPLOAD_LEASE_MS;
}

struct upload *upload_new(struct live *live, const char *digest, struct err *err)
{
    struct upload *u = live->uploads;
    uint32_t count = 0;

    for (; u; u = u->next)
        count++;
    if (count == UPLOADS_MAX) {
        (void)err_set(err, ERR_TOO_LARGE, "a run has at most %u sets of tests", UPLOADS_MAX);
        return NULL;
    }
    u = mem_new(1, sizeof(*u));
    memcpy(u->digest, digest, strlen(digest) + 1);
    u->state = UPLOAD_LOOKING;
    u->session = SESSION_NONE;
    u->next = live->uploads;
    live->uploads = u;
    return u;
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
                collected_act(live, held->reply, COLLECTED_UPLOAD);
            }
        } else if (collected_take_part(live, held->session, held->runtime, u->manifest, &err)) {
            live_refuse(live, held->reply, &err);
        } else {
            collected_go(live, held->reply);
        }
        held_free(held);
    }
}

static void seal(struct live *live, struct sealing *job)
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

static void failed(struct live *live, struct upload *u, enum err_code rc, const struct err *err)
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

static void on_sealed(void *ctx, enum err_code rc, const struct err *err)
{
    struct sealing *job = ctx;
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
        failed(live, u, rc, err);
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
        (void)!collected_take_part(live, u->session, u->runtime, u->manifest,
                                   &found); /* found tells */
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
    sealing_free(job);
}

void upload_start(struct live *live, struct upload *u)
{
    sealing_start(live, u, on_sealed);
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

/* ---- parts ---- */

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
    uint32_t session;

    if (u && u->session != SESSION_NONE)
        return live_session(live, bearer, live->run->sessions[u->session]->id, out, err);
    session = live_bearer(live, bearer);
    if (session == SESSION_NONE)
        return err_set(err, ERR_TOKEN, "no credential of this run");
    *out = session;
    return ERR_NONE;
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
        upload_start(live, u);
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

    if (digest_check(part->digest, &err) || live_find(svc, run, &live, &err)) {
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
