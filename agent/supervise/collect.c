/* supervise/collect.c - what was collected: by the one whose collection is the run's, and by
 * workers that collect for themselves and must have found the same. */
#include <stdlib.h>

#include "inner.h"
#include "json.h"
#include "mem.h"

#define NAMED_MAX 3u /* ids of a difference that are shown, each way */

static const char *flag_of(enum pool_policy policy)
{
    if (policy == POOL_FILE)
        return SUITE_TOGETHER_FILE;
    return policy == POOL_SCOPE ? SUITE_TOGETHER_SCOPE : "";
}

enum err_code flags_with_dist(const struct supervisor *s, struct view flags, struct str *out,
                              struct err *err)
{
    const char *more = flag_of(s->policy);

    str_clear(out);
    if (str_add(out, flags.at, flags.len, err))
        return err->code;
    return str_addf(out, err, "%s%s", flags.len && more[0] ? "," : "", more);
}

static void take_manifest(const struct supervisor *s, struct manifest *manifest,
                          const struct frame *frame, struct err *err)
{
    struct str flags = STR_MAX(FRAME_BYTES_MAX);
    struct frame_test test;
    enum err_code rc = ERR_NONE;
    uint32_t offset = 0;

    for (uint32_t i = 0; !rc && i < frame->a; i++) {
        rc = frame_test_next(frame, &offset, &test, err);
        if (!rc)
            rc = flags_with_dist(s, test.flags, &flags, err);
        if (!rc)
            rc = manifest_add(manifest, test.id, test.group, view_of(str_text(&flags)), err);
    }
    str_fini(&flags);
    if (rc)
        return;
    if (offset != frame->size)
        err_set(err, ERR_MALFORMED, "MANIFEST with %u bytes too many", frame->size - offset);
}

static void add_ids(const struct manifest *m, const uint32_t *tests, uint32_t count,
                    const char *where, struct str *out)
{
    struct err ignored = ERR_INIT;

    if (count == 0)
        return;
    (void)!str_addf(out, &ignored, "%s only in %s: ", out->len ? ";" : "", where);
    for (uint32_t i = 0; i < count && i < NAMED_MAX; i++) {
        (void)!str_addz(out, i ? ", " : "", &ignored);
        (void)!manifest_show(m->tests[tests[i]].id, m->tests[tests[i]].k, out, &ignored);
    }
    if (count > NAMED_MAX)
        (void)!str_addf(out, &ignored, " and %u more", count - NAMED_MAX);
}

/* Names what only one of both has; false when it is nothing: order, groups and marks may differ,
 * and of what was found meanwhile nobody had to know. */
static bool describe_difference(const struct supervisor *s, const struct manifest *own,
                                struct str *out)
{
    const struct manifest *ours = s->manifest;
    struct manifest_diff diff;
    uint32_t kept = 0;
    bool differs;

    manifest_diff(ours, own, &diff);
    for (uint32_t i = 0; i < diff.only_a_count; i++)
        if (diff.only_a[i] < s->sealed_count)
            diff.only_a[kept++] = diff.only_a[i];
    diff.only_a_count = kept;
    differs = diff.only_a_count + diff.only_b_count > 0;
    add_ids(ours, diff.only_a, diff.only_a_count, "the first", out);
    add_ids(own, diff.only_b, diff.only_b_count, "this one", out);
    manifest_diff_fini(&diff);
    return differs;
}

/* A worker that cannot run what the run is about is sent home. The run goes on without it and is
 * red: which tests there are must not depend on who looks. */
static void refuse(struct supervisor *s, uint32_t number, const char *why)
{
    struct slot *slot = slot_at(s, number);
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct json *doc = json_new_object();

    (void)!str_addf(&text, &ignored, "worker 'gw%u' gets no tests: %s", number, why);
    slot->refused = true;
    report_error(s, "collection", str_text(&text));
    json_set_text(doc, "text", str_text(&text));
    tell_json(s->reporter, FRAME_CRASH, FRAME_ANY, number, doc);
    tell(s->reporter, FRAME_DOWN, number, 1, str_text(&text));
    tell(slot->peer, FRAME_QUIT, 0, 0, NULL);
    str_fini(&text);
}

static void compare(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX), why = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    manifest_seal(slot->own);
    if (!slot->own_problem)
        found_own(s, slot->own);
    if (slot->own_problem) {
        refuse(s, number, slot->own_problem);
    } else if (describe_difference(s, slot->own, &text)) {
        (void)!str_addf(&why, &ignored, "it collected other tests than the first process did;%s",
                        str_text(&text));
        refuse(s, number, str_text(&why));
    } else {
        slot->ready = true;
        worker_ready(s, number);
    }
    manifest_free(slot->own);
    slot->own = NULL;
    str_fini(&text);
    str_fini(&why);
}

/* The first collection is known: those that were ready before it can be compared now. */
static void compare_waiting(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->own && s->slots[i]->own_whole)
            compare(s, i);
    }
}

static void seal(struct supervisor *s)
{
    uint32_t count = s->manifest->count;

    manifest_seal(s->manifest);
    s->sealed_count = count;
    s->fences = mem_new(count, sizeof(*s->fences));
    s->granted = mem_new(count, sizeof(*s->granted));
    s->took_us = mem_new(count, sizeof(*s->took_us));
    s->runs = mem_new(count, sizeof(*s->runs));
    s->report.collected = count;
    tell_total(s, count, s->start_why);
    compare_waiting(s);
    if (s->opts.local->live_slot != UINT32_MAX && s->opts.local->live_slot >= s->workers)
        say(s, "--live=%s: there is no such worker, the last is gw%u; nothing is shown live",
            s->opts.local->live, s->workers - 1);
    s->phase = PHASE_SEAL;
    s->source->ops->collected(s->source, &(struct source_collected){ .manifest = s->manifest,
                                                                     .runtime = s->runtime,
                                                                     .each = s->policy == POOL_EACH,
                                                                     .maxfail = s->maxfail });
}

static void first_ended(struct supervisor *s, const struct frame_collected *collected)
{
    if (!collected->runs) {
        if (collected->status != 0 && collected->status != 5)
            report_error(s, "collection", collected->reason);
        stop_tests(s, ENDING_NOTHING, collected->status, collected->reason);
        return;
    }
    if (s->collector == FRAME_ANY)
        start_decide(s, &collected->facts);
    else
        slot_at(s, s->collector)->ready = true;
    seal(s);
}

static void other_ended(struct supervisor *s, uint32_t number,
                        const struct frame_collected *collected)
{
    struct slot *slot = slot_at(s, number);

    if (slot->own_whole)
        return;
    slot->own_whole = true;
    if (!collected->runs)
        slot->own_problem = mem_strdup(collected->reason);
    if (!slot->own)
        slot->own = manifest_new();
    if (s->phase != PHASE_COLLECT)
        compare(s, number);
}

static void collection_ended(struct supervisor *s, struct peer *peer, bool is_first,
                             const struct frame *frame, struct err *err)
{
    struct frame_collected collected;

    if (frame_collected_decode(frame, &collected, err))
        return;
    if (is_first)
        first_ended(s, &collected);
    else
        other_ended(s, peer_slot(peer), &collected);
    frame_collected_fini(&collected);
}

void collect_frame(struct supervisor *s, struct peer *peer, const struct frame *frame,
                   struct err *err)
{
    bool is_worker = peer_role(peer) == ROLE_WORKER;
    bool is_first = !is_worker || peer_slot(peer) == s->collector;
    struct slot *slot = is_worker ? slot_at(s, peer_slot(peer)) : NULL;
    struct frame_skip skip;

    if ((is_first && s->phase != PHASE_COLLECT) || (slot && slot->refused))
        return;
    switch ((int)frame->kind) {
    case FRAME_MANIFEST:
        if (is_first) {
            take_manifest(s, s->manifest, frame, err);
        } else if (slot && !slot->own_whole) {
            if (!slot->own)
                slot->own = manifest_new();
            take_manifest(s, slot->own, frame, err);
        }
        return;
    case FRAME_COLLECT_END:
        collection_ended(s, peer, is_first, frame, err);
        return;
    case FRAME_SKIP:
        if (is_first && !frame_skip_decode(frame, &skip, err))
            s->source->ops->skipped(s->source, skip.id, skip.text);
        return;
    default:
        UNREACHABLE("frame of a collection");
    }
}

void collector_died(struct supervisor *s)
{
    if (s->phase != PHASE_COLLECT)
        return;
    if (s->collector != FRAME_ANY) /* it has left last words */
        worker_crashed(s, s->collector, WORKER_NO_TEST);
    report_error(s, "runner-died", "the collecting process died");
    stop_tests(s, ENDING_BROKEN, FRAME_ANY, "the collecting process died");
}
