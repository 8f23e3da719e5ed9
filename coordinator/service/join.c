/* join: which epoch, which session, and the token that goes with it. */
#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/decide.h"
#include "core/lease.h"
#include "log.h"
#include "mem.h"
#include "service/auth.h"
#include "service/history.h"
#include "service/live.h"

#define NONCE_BYTES_MIN 16u

static enum err_code check_request(const struct join_request *req, struct err *err)
{
    if (!req->nonce || strlen(req->nonce) < NONCE_BYTES_MIN)
        return err_set(err, ERR_INVALID, "nonce of fewer than %u bytes", NONCE_BYTES_MIN);
    if (!req->project || !req->suite || !req->run_key || !req->instance || !req->fingerprint ||
        !req->command)
        return err_set(err, ERR_INVALID, "a name is missing");
    return ERR_NONE;
}

/* A join can be a repetition of one that opened or joined the newest epoch: then it is that one. */
static bool is_repeated(const struct live *live, const char *nonce_hash)
{
    return run_session_of_nonce(live->run, nonce_hash) != SESSION_NONE;
}

/* Refuses before an epoch is opened what decide_join would refuse after. */
static enum err_code check_next(const struct run *run, const struct join_request *req,
                                struct err *err)
{
    const struct slot *slot = req->index == PROTO_SLOT_NONE ? NULL : run_slot(run, req->index);

    if (strcmp(run->fingerprint, req->fingerprint) != 0 || strcmp(run->command, req->command) != 0)
        return err_set(err, ERR_FINGERPRINT,
                       "run key '%s' belongs to another machine type or command; set "
                       "MAKESPAN_SUITE to tell them apart",
                       run->run_key);
    if (slot && slot->session != SESSION_NONE && session_lives(run->sessions[slot->session]))
        return err_set(err, ERR_SLOT_TAKEN, "slot %u of run key '%s' has a live agent", req->index,
                       run->run_key);
    if (req->index != PROTO_SLOT_NONE && req->index >= PROTO_SLOTS_MAX)
        return err_set(err, ERR_INVALID, "index %u", req->index);
    if (req->workers == 0 || req->workers > PROTO_WORKERS_MAX || req->total > PROTO_SLOTS_MAX)
        return err_set(err, ERR_INVALID, "%u workers, %u agents", req->workers, req->total);
    return ERR_NONE;
}

/* An agent whose slot is taken asks again for a while, in case the one before it died. */
static void note_waited(struct service *svc, const char *nonce_hash)
{
    memcpy(svc->waited[svc->waited_next], nonce_hash, HASH_HEX_BYTES);
    svc->waited_next = (svc->waited_next + 1) % WAITED_MAX;
}

static enum err_code check_waited(const struct service *svc, const struct run *run,
                                  const struct join_request *req, const char *nonce_hash,
                                  struct err *err)
{
    bool waited = false;

    for (uint32_t i = 0; i < WAITED_MAX && !waited; i++)
        waited = strcmp(svc->waited[i], nonce_hash) == 0;
    if (!waited || attempt_may_follow(run, req->index))
        return ERR_NONE;
    return err_set(err, ERR_SLOT_TAKEN,
                   "slot %u of run key '%s' has another agent; give each its own index, or set "
                   "MAKESPAN_SUITE if this is another suite",
                   req->index, run->run_key);
}

/* What was decided on an epoch is said when that is durable. */
static void refuse(struct live *live, struct reply reply, const struct err *err)
{
    if (live) {
        live_refuse(live, reply, err);
        live_settle(live);
    } else {
        reply_err(reply, err);
    }
}

/* Who joins again goes on where it was, or not at all: it must not open another epoch. */
static bool is_over(const struct live *live, const struct join_request *req)
{
    return req->run &&
           (!live || strcmp(live->run->id, req->run) != 0 || live->run->state == RUN_FINAL);
}

/* After a refusal *out is the epoch that it was decided on, or NULL. */
static enum err_code epoch_of(struct service *svc, const struct join_request *req,
                              const char *nonce_hash, struct live **out, struct err *err)
{
    char id[ID_TEXT_BYTES];
    struct attempt_new with = { .id = id, .now_ms = service_wall_ms(svc) };
    struct change open = { .kind = CHANGE_NONE };
    struct live *live = NULL;
    enum err_code rc;

    rc = live_newest(svc, req, &live, err);
    if (rc)
        return rc;
    if (live)
        live_expire(live);
    if (is_over(live, req) && !(live && is_repeated(live, nonce_hash))) {
        *out = live;
        return err_set(err, ERR_CONFLICT, "run %s has ended", req->run);
    }
    if (live && !is_repeated(live, nonce_hash) &&
        check_waited(svc, live->run, req, nonce_hash, err)) {
        *out = live;
        return err->code;
    }
    if (live && (is_repeated(live, nonce_hash) || attempt_way(live->run, req) != ATTEMPT_NEXT)) {
        *out = live;
        return ERR_NONE;
    }
    if (live)
        rc = check_next(live->run, req, err);
    if (!rc &&
        (req->workers == 0 || req->workers > PROTO_WORKERS_MAX || req->total > PROTO_SLOTS_MAX ||
         (req->index != PROTO_SLOT_NONE &&
          req->index >= (req->total ? req->total : PROTO_SLOTS_MAX))))
        rc = err_set(err, ERR_INVALID, "%u workers, index %u of %u agents", req->workers,
                     req->index, req->total);
    if (rc) {
        *out = live;
        return rc;
    }
    id_new(id);
    with.seed = id_random_u64() & UINT32_MAX; /* PYTHONHASHSEED's range */
    attempt_open(live ? live->run : NULL, req, &with, &open);
    *out = live_open(svc, &open);
    return ERR_NONE;
}

static void join_box(const struct run *run, uint32_t session, const char *nonce, struct box *out)
{
    struct join_answer *a = &out->as.join;
    char token[TOKEN_TEXT_BYTES];

    *out = (struct box){ .kind = BOX_JOIN };
    auth_session_token(run->sessions[session]->id, nonce, token);
    a->run = mem_strdup(run->id);
    a->session = mem_strdup(run->sessions[session]->id);
    a->session_token = mem_strdup(token);
    a->manifest = run->manifest ? mem_strdup(run->manifest->digest) : NULL;
    a->epoch = run->epoch;
    a->seed = run->seed;
    a->session_ms = PROTO_SESSION_MS;
    a->beat_ms = PROTO_BEAT_MS;
}

/* What cannot be read is not known: a join goes on without it. */
static uint32_t worker_mib(struct service *svc, const struct run *run)
{
    struct err err = ERR_INIT;
    uint32_t mib = 0;

    if (history_worker_mib(svc->store, run->project, run->suite, &mib, &err))
        log_warn("worker_memory_not_read run=%s code=%s why=\"%s\"", run->id, err_name(err.code),
                 err.text);
    return mib;
}

static void session_id_new(const struct run *run, char out[SESSION_ID_BYTES])
{
    char random[ID_TEXT_BYTES];
    struct str text = STR_MAX(SESSION_ID_BYTES - 1);
    struct err err = ERR_INIT;

    id_new(random);
    INVARIANT(str_addf(&text, &err, "%u-%s", run->session_count, random) == ERR_NONE);
    memcpy(out, str_text(&text), text.len + 1);
    str_fini(&text);
}

void service_join(struct service *svc, const char *bearer, const struct join_request *req,
                  struct reply reply)
{
    struct err err = ERR_INIT;
    struct auth_grant grant;
    struct live *live = NULL;
    struct change change = { .kind = CHANGE_NONE };
    char session_id[SESSION_ID_BYTES];
    char nonce_hash[HASH_HEX_BYTES];
    char token_hash[HASH_HEX_BYTES];
    char token[TOKEN_TEXT_BYTES];
    struct join_facts facts = { .req = req,
                                .session_id = session_id,
                                .nonce_hash = nonce_hash,
                                .token_hash = token_hash,
                                .now_ms = service_wall_ms(svc) };
    struct box box = { .kind = BOX_NONE };
    uint32_t session = SESSION_NONE;

    if (auth_check(svc->store, bearer, service_wall_ms(svc), &grant, &err) ||
        check_request(req, &err) || auth_allows(&grant, req->project, ROLE_AGENT, &err)) {
        reply_err(reply, &err);
        return;
    }
    hash_hex(req->nonce, strlen(req->nonce), nonce_hash);
    if (epoch_of(svc, req, nonce_hash, &live, &err)) {
        if (err.code == ERR_SLOT_TAKEN)
            note_waited(svc, nonce_hash);
        refuse(live, reply, &err);
        return;
    }
    session_id_new(live->run, session_id);
    auth_session_token(session_id, req->nonce, token);
    hash_hex(token, strlen(token), token_hash);
    if (decide_join(live->run, &facts, &change, &session, &err)) {
        if (err.code == ERR_SLOT_TAKEN)
            note_waited(svc, nonce_hash);
        live_refuse(live, reply, &err);
    } else {
        live_turn(live, &change);
        lease_touch(live->run, session, service_now_ms(svc) + PROTO_SESSION_MS);
        join_box(live->run, session, req->nonce, &box);
        box.as.join.worker_mib = worker_mib(svc, live->run);
        live_answer(live, reply, &box);
    }
    live_settle(live);
}
