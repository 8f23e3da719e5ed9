/* Runs in memory: found, loaded by replay, mended after a failed commit, dropped when idle. */
#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/lease.h"
#include "gz.h"
#include "log.h"
#include "mem.h"
#include "service/auth.h"
#include "service/live.h"

static struct live **bucket_of(struct service *svc, const char *run_id)
{
    return &svc->buckets[hash_fast(run_id, strlen(run_id)) % LIVE_BUCKETS];
}

static struct live *live_new(struct service *svc, const char *run_id)
{
    struct live *live = mem_new(1, sizeof(*live));
    struct live **bucket = bucket_of(svc, run_id);

    live->svc = svc;
    live->reported = SESSION_NONE;
    live->last_wait = &live->first_wait;
    (void)memcpy(live->id, run_id, strlen(run_id) + 1);
    live->used_ms = service_now_ms(svc);
    live->next = *bucket;
    *bucket = live;
    return live;
}

void live_drop(struct live *live)
{
    struct live **at = bucket_of(live->svc, live->id);

    while (*at != live)
        at = &(*at)->next;
    *at = live->next;
    while (live->first_wait) {
        struct wait *wait = live->first_wait;

        live->first_wait = wait->next;
        box_fini(&wait->box);
        free(wait);
    }
    while (live->held) {
        struct held *held = live->held;

        live->held = held->next;
        held_free(held);
    }
    uploads_free(live);
    run_free(live->run);
    free(live);
}

/* ---- reading a run from the store ---- */

static enum err_code note_manifest(void *ctx, const struct store_run *row, struct err *err)
{
    char *digest = ctx;

    if (strlen(row->manifest) >= MANIFEST_DIGEST_BYTES)
        return err_set(err, ERR_IO, "stored digest '%s'", row->manifest);
    memcpy(digest, row->manifest, strlen(row->manifest) + 1);
    return ERR_NONE;
}

static enum err_code add_part(void *ctx, uint32_t part, const void *bytes, size_t len,
                              struct err *err)
{
    (void)part; /* they come in order */
    return gz_unpack(bytes, len, ctx, err);
}

enum err_code load_manifest(struct store *store, const char *digest, struct manifest **out,
                            struct err *err)
{
    struct str text = STR_MAX(MANIFEST_TEXT_BYTES_MAX);
    struct manifest *m = NULL;
    enum err_code rc;

    rc = store_manifest_get(store, digest, add_part, &text, err);
    if (!rc)
        rc = manifest_decode(str_text(&text), text.len, &m, err);
    if (!rc && strcmp(m->digest, digest) != 0)
        rc = err_set(err, ERR_IO, "stored manifest %s has digest %s", digest, m->digest);
    if (rc)
        manifest_free(m);
    else
        *out = m;
    str_fini(&text);
    return rc;
}

struct replay {
    struct run *run;
    struct manifest *manifest; /* for the seal */
};

static enum err_code replay_change(void *ctx, uint64_t number, const void *bytes, size_t len,
                                   struct err *err)
{
    struct replay *replay = ctx;
    struct change change = { .kind = CHANGE_NONE };
    enum err_code rc;

    if (number != replay->run->change_count + 1)
        return err_set(err, ERR_IO, "change %llu after change %llu", (unsigned long long)number,
                       (unsigned long long)replay->run->change_count);
    rc = change_decode(bytes, len, &change, err);
    if (rc)
        return rc;
    if (change.kind == CHANGE_SEAL) {
        change.as.seal.manifest = replay->manifest;
        replay->manifest = NULL;
    }
    rc = change_check(replay->run, &change, err);
    if (!rc)
        run_apply(replay->run, &change);
    change_fini(&change);
    return rc;
}

static enum err_code read_run(struct store *store, const char *run_id, struct run **out,
                              bool *out_sealed, struct err *err)
{
    struct replay replay = { .run = run_new() };
    struct store_query query = { .id = run_id, .limit = 1 };
    char digest[MANIFEST_DIGEST_BYTES] = "";
    enum err_code rc;

    rc = store_list(store, &query, note_manifest, digest, err);
    *out_sealed = digest[0] != '\0';
    if (!rc && digest[0])
        rc = load_manifest(store, digest, &replay.manifest, err);
    if (!rc)
        rc = store_load(store, run_id, replay_change, &replay, err);
    if (!rc && replay.run->change_count == 0)
        rc = err_set(err, ERR_NOT_FOUND, "no run %s", run_id);
    if (rc)
        run_free(replay.run);
    else
        *out = replay.run;
    manifest_free(replay.manifest);
    return rc;
}

enum err_code load_run(struct store *store, const char *run_id, struct run **out, struct err *err)
{
    struct err first = ERR_INIT;
    bool sealed = false;
    enum err_code rc = read_run(store, run_id, out, &sealed, &first);

    /* It may have been sealed between the look for its manifest and the look at its changes. */
    if (rc && !sealed)
        return read_run(store, run_id, out, &sealed, err);
    if (rc)
        *err = first;
    return rc;
}

static void adopt_run(struct live *live, struct run *run)
{
    run_free(live->run);
    live->run = run;
    lease_start(run, service_now_ms(live->svc));
    live->durable = run->change_count;
    live->final = 0;
    live->broken = false;
    live->wake_all = true;
}

void live_mend(struct live *live)
{
    struct err err = ERR_INIT;
    struct run *run = NULL;
    enum err_code rc;

    if (!live->broken || live->in_flight > 0)
        return;
    rc = load_run(live->svc->store, live->id, &run, &err);
    if (rc && rc != ERR_NOT_FOUND) {
        log_error("run_not_loaded run=%s code=%s why=\"%s\"", live->id, err_name(rc), err.text);
        return; /* tried again by the next tick */
    }
    commit_resume(live->svc->commit, live->id);
    if (rc) {
        live_drop(live); /* it never came to be */
        return;
    }
    log_info("run_loaded_again run=%s change=%llu", live->id,
             (unsigned long long)run->change_count);
    adopt_run(live, run);
    if (run->state == RUN_FINAL) /* perhaps since what was thought to have failed */
        teach_run(live->svc, live->id);
}

enum err_code run_unknown(const char *run_id, struct err *err)
{
    return err_set(
        err, ERR_RUN_UNKNOWN,
        "no run %.*s is known here: it is another coordinator's, or was removed with age "
        "(--keep)",
        ID_TEXT_BYTES - 1, run_id);
}

enum err_code live_find(struct service *svc, const char *run_id, struct live **out, struct err *err)
{
    struct live *live = *bucket_of(svc, run_id);
    struct run *run = NULL;
    enum err_code rc;

    if (strlen(run_id) >= ID_TEXT_BYTES)
        return run_unknown(run_id, err);
    while (live && strcmp(live->id, run_id) != 0)
        live = live->next;
    if (live && live->broken)
        return err_set(err, ERR_UNAVAILABLE, "run %s is being loaded again", run_id);
    if (!live) {
        rc = load_run(svc->store, run_id, &run, err);
        if (rc == ERR_NOT_FOUND)
            return run_unknown(run_id, err);
        if (rc == ERR_IO) {
            err->code = ERR_UNAVAILABLE;
            return err_wrap(err, "run %s", run_id);
        }
        if (rc)
            return rc;
        live = live_new(svc, run_id);
        adopt_run(live, run);
    }
    live->used_ms = service_now_ms(svc);
    *out = live;
    return ERR_NONE;
}

struct newest {
    char id[ID_TEXT_BYTES];
    uint32_t epoch;
};

static enum err_code note_newest(void *ctx, const struct store_run *row, struct err *err)
{
    struct newest *newest = ctx;

    if (strlen(row->id) >= ID_TEXT_BYTES)
        return err_set(err, ERR_IO, "stored run id '%s'", row->id);
    if (row->epoch > newest->epoch) {
        memcpy(newest->id, row->id, strlen(row->id) + 1);
        newest->epoch = row->epoch;
    }
    return ERR_NONE;
}

static bool same_key(const struct run *run, const struct join_request *req)
{
    return run && run->project && strcmp(run->run_key, req->run_key) == 0 &&
           strcmp(run->suite, req->suite) == 0 && strcmp(run->project, req->project) == 0;
}

enum err_code live_newest(struct service *svc, const struct join_request *req, struct live **out,
                          struct err *err)
{
    struct store_query query = { .project = req->project,
                                 .suite = req->suite,
                                 .run_key = req->run_key };
    struct newest newest = { .id = "", .epoch = 0 };
    enum err_code rc;

    rc = store_list(svc->store, &query, note_newest, &newest, err);
    if (rc)
        return rc;
    /* An epoch whose opening is still on its way to the store is only in memory. */
    for (size_t i = 0; i < LIVE_BUCKETS; i++) {
        for (const struct live *live = svc->buckets[i]; live; live = live->next) {
            if (!same_key(live->run, req) || live->run->epoch <= newest.epoch)
                continue;
            memcpy(newest.id, live->id, sizeof(newest.id));
            newest.epoch = live->run->epoch;
        }
    }
    *out = NULL;
    return newest.epoch ? live_find(svc, newest.id, out, err) : ERR_NONE;
}

struct live *live_open(struct service *svc, struct change *take_open)
{
    struct live *live = live_new(svc, take_open->as.open.id);

    live->run = run_new();
    live_turn(live, take_open);
    log_info("run_opened run=%s epoch=%u project=%s suite=%s", live->id, live->run->epoch,
             live->run->project, live->run->suite);
    return live;
}

uint32_t live_bearer(const struct live *live, const char *bearer)
{
    char hash[HASH_HEX_BYTES];

    if (!bearer || strlen(bearer) > AUTH_BEARER_BYTES_MAX)
        return SESSION_NONE;
    hash_hex(bearer, strlen(bearer), hash);
    for (uint32_t i = live->run->session_count; i-- > 0;)
        if (secret_eq(hash, live->run->sessions[i]->token_hash))
            return i;
    return SESSION_NONE;
}

enum err_code live_session(const struct live *live, const char *bearer, const char *session,
                           uint32_t *out, struct err *err)
{
    uint32_t at = session ? run_session_find(live->run, session) : SESSION_NONE;
    char hash[HASH_HEX_BYTES];

    if (!bearer || strlen(bearer) > AUTH_BEARER_BYTES_MAX)
        return err_set(err, ERR_TOKEN, "no credential");
    if (at == SESSION_NONE)
        return err_set(err, ERR_TOKEN, "no such session in this run");
    hash_hex(bearer, strlen(bearer), hash);
    if (!secret_eq(hash, live->run->sessions[at]->token_hash))
        return err_set(err, ERR_TOKEN, "this credential is not of that session");
    *out = at;
    return ERR_NONE;
}
