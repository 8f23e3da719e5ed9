/* collected: an agent has found its tests. It goes on, uploads them, or waits for who does. */
#include <string.h>

#include "core/decide.h"
#include "core/lease.h"
#include "log.h"
#include "mem.h"
#include "service/uploads.h"

#define COLLECTED_WAIT_MS 10000u

void collected_act(struct live *live, struct reply reply, enum collected_action action)
{
    struct box box = { .kind = BOX_COLLECTED, .as.collected.action = action };

    live_answer(live, reply, &box);
}

/* With what is known of the memory of its tests. */
void collected_go(struct live *live, struct reply reply)
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
enum err_code collected_take_part(struct live *live, uint32_t session, const char *runtime,
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

static void hold(struct live *live, uint32_t session, const struct collected_request *req,
                 struct reply reply)
{
    uint64_t until_ms = service_now_ms(live->svc) + COLLECTED_WAIT_MS;
    struct held *held;

    if (live->svc->releasing) {
        collected_act(live, reply, COLLECTED_WAIT);
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
    struct upload *u = upload_new(live, req->digest, &err);

    if (!u) {
        live_refuse(live, reply, &err);
        return;
    }
    hold(live, session, req, reply);
    upload_start(live, u);
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
        collected_act(live, reply, COLLECTED_UPLOAD);
        return;
    case UPLOAD_READY:
        u->state = UPLOAD_LOOKING;
        u->session = SESSION_NONE;
        hold(live, session, req, reply);
        upload_start(live, u);
        return;
    }
    UNREACHABLE("upload state");
}

/* What is refused whoever else has what. */
static enum err_code check_offer(const struct run *run, uint32_t session,
                                 const struct collected_request *req, struct err *err)
{
    enum err_code rc = digest_check(req->digest, err);

    if (!rc && !run->sessions[session]->late)
        rc = decide_runtime(run, req->runtime, err);
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
        collected_go(live, reply);
    } else if (live->run->manifest && strcmp(live->run->manifest->digest, req->digest) == 0) {
        if (collected_take_part(live, session, req->runtime, NULL, &err))
            live_refuse(live, reply, &err);
        else
            collected_go(live, reply);
    } else {
        collected_other(live, session, req, reply);
    }
    live_settle(live);
}
