/* Making the manifest the run's: offer its digest; upload, wait, or go. */
#include <stdlib.h>

#include "gz.h"
#include "mem.h"
#include "remote_inner.h"

#define PART_PACKED_BYTES_MAX (2u * MANIFEST_PART_BYTES) /* what does not shrink grows a little */

static void agreed(struct remote *r, struct collected_answer *answer)
{
    struct source_costs known = { .heavy = answer->heavy, .heavy_count = answer->heavy_count };

    for (uint32_t i = 0; i < answer->heavy_count; i++)
        remote_own_k(r, &answer->heavy[i].test);
    str_fini(&r->text);
    r->state = REMOTE_RUNNING;
    r->source.events->sealed(r->source.ctx, &known);
    if (r->state == REMOTE_RUNNING)
        remote_pull_start(r);
}

static void refused(struct remote *r, const struct err *err)
{
    if (err->code == ERR_SESSION_GONE)
        remote_gone(r, err);
    else
        remote_fail(r, err);
}

static void send_part(struct remote *r);

static void on_part(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote *r = ctx;
    struct part_answer part = { 0 };
    struct err err = *why;

    r->agree_call = NULL;
    if (r->state != REMOTE_AGREEING)
        return;
    if (!err.code)
        err.code = part_answer_decode(answer->body.at, answer->body.len, &part, &err);
    if (err.code == ERR_CONFLICT) {
        remote_offer(r); /* it was restarted, or asked somebody else meanwhile */
        return;
    }
    if (err.code) {
        refused(r, &err);
        return;
    }
    if (++r->part < r->part_count && !part.sealed)
        send_part(r);
    else
        remote_offer(
            r); /* says that it is sealed, or, when parts were lost in a restart, to begin again */
}

static void send_part(struct remote *r)
{
    size_t at = (size_t)r->part * MANIFEST_PART_BYTES;
    size_t len = r->text.len - at < MANIFEST_PART_BYTES ? r->text.len - at : MANIFEST_PART_BYTES;
    struct str packed = STR_MAX(PART_PACKED_BYTES_MAX);
    struct err err = ERR_INIT;

    INVARIANT(!gz_pack(r->text.at + at, len, &packed, &err));
    remote_sent(r);
    r->agree_call = client_put_part(r->client, r->manifest->digest, r->part, r->part_count, &packed,
                                    (struct client_reply){ on_part, r });
}

static void upload(struct remote *r)
{
    struct err err = ERR_INIT;

    str_clear(&r->text);
    if (manifest_encode(r->manifest, &r->text, &err)) {
        remote_fail(r, &err);
        return;
    }
    r->part = 0;
    r->part_count = (uint32_t)((r->text.len + MANIFEST_PART_BYTES - 1) / MANIFEST_PART_BYTES);
    send_part(r);
}

static void on_offer(void *ctx, const struct transport_answer *answer, const struct err *why)
{
    struct remote *r = ctx;
    struct collected_answer collected = { 0 };
    struct err err = *why;

    r->agree_call = NULL;
    if (r->state != REMOTE_AGREEING)
        return;
    if (!err.code)
        err.code = collected_answer_decode(answer->body.at, answer->body.len, &collected, &err);
    if (err.code) {
        refused(r, &err);
        return;
    }
    switch (collected.action) {
    case COLLECTED_GO:
        agreed(r, &collected);
        break;
    case COLLECTED_UPLOAD:
        if (++r->rounds <= REMOTE_AGREE_ROUNDS) {
            upload(r);
            break;
        }
        err_set(&err, ERR_CONFLICT, "the manifest was uploaded %u times and not accepted",
                REMOTE_AGREE_ROUNDS);
        remote_fail(r, &err);
        break;
    case COLLECTED_WAIT:
        remote_offer(r); /* the answer was held; asking again at once is right */
        break;
    }
    collected_answer_fini(&collected);
}

void remote_offer(struct remote *r)
{
    struct collected_request collected = { .session = r->session,
                                           .request = ++r->request,
                                           .digest = (char *)(uintptr_t)r->manifest->digest,
                                           .count = r->manifest->count,
                                           .runtime = r->runtime };

    remote_sent(r);
    r->agree_call =
        client_post(r->client, CLIENT_INSIST, "collected", collected_request_encode(&collected), 0,
                    (struct client_reply){ on_offer, r });
}

void remote_collected(struct source *s, const struct source_collected *collected)
{
    struct remote *r = (struct remote *)s;
    struct err err = ERR_INIT;

    if (r->state != REMOTE_JOINED && !r->again)
        return; /* it failed or leaves while the runner collected */
    r->own = collected->manifest;
    r->runtime = collected->runtime ? mem_strdup(collected->runtime) : NULL;
    r->each = collected->each;
    r->maxfail = collected->maxfail;
    if (remote_lane_make(r, &err)) {
        remote_fail(r, &err);
        return;
    }
    if (r->again)
        return; /* it is offered when we have joined */
    r->state = REMOTE_AGREEING;
    remote_offer(r);
}
