/* A change as bytes: each description says once how a struct is written and read. */
#include "core/change.h"
#include "core/codec.h"
#include "mem.h"
#include "plan/first.h"

#define RESULT_ITEMS_MAX (PROTO_RESULTS_MAX + PROTO_WORKERS_MAX) /* results and what was cut */

static void put_indices(struct codec *c, struct index_list *list)
{
    uint32_t before = 0;

    list->at = codec_array(c, list->at, &list->count, MANIFEST_TESTS_MAX, sizeof(*list->at));
    for (uint32_t i = 0; i < list->count && !c->rc; i++) {
        /* Neighbours are near each other, in either direction: a signed step, zigzag. */
        uint64_t step = 0;

        if (c->out) {
            int64_t d = (int64_t)list->at[i] - (int64_t)before;

            step = d < 0 ? (uint64_t)(-d) * 2 - 1 : (uint64_t)d * 2;
        }
        codec_u64(c, &step);
        if (codec_reads(c)) {
            uint64_t size = (step + 1) / 2;
            int64_t at = (int64_t)before;

            if (step > 2ull * UINT32_MAX) {
                codec_fail(c, "a position is out of range");
                return;
            }
            at += step & 1 ? -(int64_t)size : (int64_t)size;
            if (at < 0 || at >= UINT32_MAX) {
                codec_fail(c, "a position is out of range");
                return;
            }
            list->at[i] = (uint32_t)at;
        }
        before = list->at[i];
    }
}

static void put_u64s(struct codec *c, uint64_t **items, uint32_t *count)
{
    *items = codec_array(c, *items, count, MANIFEST_TESTS_MAX, sizeof(**items));
    for (uint32_t i = 0; i < *count && !c->rc; i++)
        codec_u64(c, &(*items)[i]);
}

static void put_labels(struct codec *c, struct label **labels, uint32_t *count, uint32_t max)
{
    *labels = codec_array(c, *labels, count, max, sizeof(**labels));
    for (uint32_t i = 0; i < *count && !c->rc; i++) {
        codec_name(c, &(*labels)[i].key, PROTO_TEXT_BYTES_MAX);
        codec_name(c, &(*labels)[i].value, PROTO_TEXT_BYTES_MAX);
    }
}

static void put_refs(struct codec *c, struct test_ref **refs, uint32_t *count)
{
    *refs = codec_array(c, *refs, count, RUN_SAMPLE_TESTS, sizeof(**refs));
    for (uint32_t i = 0; i < *count && !c->rc; i++) {
        codec_name(c, &(*refs)[i].id, MANIFEST_ID_BYTES_MAX);
        codec_u32(c, &(*refs)[i].k);
    }
}

static void put_outcome(struct codec *c, enum outcome *outcome)
{
    uint32_t number = (uint32_t)*outcome;

    codec_max(c, &number, OUTCOME_COUNT - 1);
    *outcome = (enum outcome)number;
}

static void put_detail(struct codec *c, struct detail **detail)
{
    bool present = *detail != NULL;
    struct detail *d;

    codec_bool(c, &present);
    if (c->rc || !present)
        return;
    if (codec_reads(c))
        *detail = mem_new(1, sizeof(**detail));
    d = *detail;
    codec_text(c, &d->when, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->message, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->text, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->out, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->err, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->log, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->classname, PROTO_TEXT_BYTES_MAX);
    codec_text(c, &d->name, PROTO_TEXT_BYTES_MAX);
    put_labels(c, &d->properties, &d->property_count, PROTO_TESTS_MAX);
    codec_u32(c, &d->reruns);
}

static void put_carried(struct codec *c, struct change_open *o)
{
    o->carried =
        codec_array(c, o->carried, &o->carried_count, MANIFEST_TESTS_MAX, sizeof(*o->carried));
    for (uint32_t i = 0; i < o->carried_count && !c->rc; i++) {
        put_outcome(c, &o->carried[i].outcome);
        if (o->carried[i].outcome == OUTCOME_NONE)
            continue;
        codec_u64(c, &o->carried[i].setup_us);
        codec_u64(c, &o->carried[i].call_us);
        codec_u64(c, &o->carried[i].teardown_us);
    }
}

static void put_slots(struct codec *c, struct change_open *o)
{
    o->slots = codec_array(c, o->slots, &o->slot_count, PROTO_SLOTS_MAX, sizeof(*o->slots));
    for (uint32_t i = 0; i < o->slot_count && !c->rc; i++) {
        codec_max(c, &o->slots[i].index, PROTO_SLOTS_MAX - 1);
        codec_u32(c, &o->slots[i].epoch);
        codec_bool(c, &o->slots[i].good);
        o->slots[i].session = SESSION_NONE;
        if (codec_reads(c) && i > 0 && o->slots[i].index <= o->slots[i - 1].index)
            codec_fail(c, "slots out of order");
    }
}

static void put_open(struct codec *c, struct change_open *o)
{
    codec_fixed(c, o->id, sizeof(o->id));
    codec_name(c, &o->project, PROTO_NAME_BYTES_MAX);
    codec_name(c, &o->suite, PROTO_NAME_BYTES_MAX);
    codec_name(c, &o->run_key, PROTO_KEY_BYTES_MAX);
    codec_name(c, &o->fingerprint, PROTO_KEY_BYTES_MAX);
    codec_name(c, &o->command, PROTO_KEY_BYTES_MAX);
    codec_u32(c, &o->epoch);
    codec_u32(c, &o->attempt);
    codec_u64(c, &o->seed);
    codec_u64(c, &o->created_ms);
    codec_bool(c, &o->wide);
    codec_fixed(c, o->previous_digest, sizeof(o->previous_digest));
    put_carried(c, o);
    put_slots(c, o);
}

static void put_join(struct codec *c, struct change_join *j)
{
    codec_fixed(c, j->id, sizeof(j->id));
    codec_fixed(c, j->token_hash, sizeof(j->token_hash));
    codec_fixed(c, j->nonce_hash, sizeof(j->nonce_hash));
    codec_name(c, &j->instance, PROTO_KEY_BYTES_MAX);
    codec_name(c, &j->agent_version, PROTO_KEY_BYTES_MAX);
    put_labels(c, &j->labels, &j->label_count, PROTO_LABELS_MAX);
    codec_u32(c, &j->index);
    codec_max(c, &j->total, PROTO_SLOTS_MAX);
    codec_u32(c, &j->attempt);
    codec_max(c, &j->workers, PROTO_WORKERS_MAX);
    codec_u64(c, &j->now_ms);
    codec_bool(c, &j->late);
    codec_bool(c, &j->widen);
    if (codec_reads(c))
        j->began_ms = j->now_ms;
    if (c->version < 2)
        return;
    codec_bool(c, &j->speculate);
    codec_max(c, &j->first_ppm, FIRST_PPM_MAX);
    if (c->version >= 3)
        codec_u64(c, &j->began_ms);
}

static void put_collected(struct codec *c, struct change_collected *k)
{
    codec_u32(c, &k->session);
    codec_name(c, &k->runtime, PROTO_KEY_BYTES_MAX);
    codec_u64(c, &k->now_ms);
    codec_bool(c, &k->differs);
    put_indices(c, &k->lacks);
    put_refs(c, &k->only_first, &k->only_first_count);
    put_refs(c, &k->only_other, &k->only_other_count);
    codec_u32(c, &k->only_other_total);
}

static void put_heavy(struct codec *c, struct change_seal *s)
{
    s->heavy = codec_array(c, s->heavy, &s->heavy_count, PROTO_HEAVY_MAX, sizeof(*s->heavy));
    for (uint32_t i = 0; i < s->heavy_count && !c->rc; i++) {
        codec_u32(c, &s->heavy[i].test);
        codec_max(c, &s->heavy[i].mem_mib, PROTO_MEM_MIB_MAX);
    }
}

static void put_seal(struct codec *c, struct change_seal *s)
{
    codec_fixed(c, s->digest, sizeof(s->digest));
    codec_bool(c, &s->wide);
    put_u64s(c, &s->costs_us, &s->test_count);
    put_u64s(c, &s->scope_us, &s->scope_count);
    if (c->version >= 2)
        put_indices(c, &s->first);
    if (c->version >= 4)
        codec_u64(c, &s->startup_us);
    if (c->version >= 5)
        put_heavy(c, s);
}

static void put_pull(struct codec *c, struct change_pull *p)
{
    codec_u32(c, &p->session);
    codec_u64(c, &p->order_seen);
    put_indices(c, &p->started);
    codec_u64(c, &p->fence);
    put_indices(c, &p->shard);
    if (c->version >= 2)
        put_indices(c, &p->copies);
    codec_u32(c, &p->holder);
    put_indices(c, &p->recall);
    codec_bool(c, &p->cancel);
    codec_bool(c, &p->end);
    codec_bool(c, &p->complete);
    codec_max(c, &p->exit, 255);
    codec_text(c, &p->text, PROTO_TEXT_BYTES_MAX);
}

static void put_item(struct codec *c, struct result_item *item)
{
    uint32_t way = (uint32_t)item->way;

    codec_max(c, &way, c->version < 2 ? RESULT_OBSERVE : RESULT_ABANDON);
    if (!c->rc && way == 0)
        codec_fail(c, "a result of no kind");
    item->way = (enum result_way)way;
    codec_u32(c, &item->test);
    codec_max(c, &item->worker, SESSION_WORKERS_MAX - 1);
    codec_u64(c, &item->fence);
    put_outcome(c, &item->outcome);
    codec_bool(c, &item->settled);
    codec_u64(c, &item->setup_us);
    codec_u64(c, &item->call_us);
    codec_u64(c, &item->teardown_us);
    codec_u64(c, &item->started_ms);
    if (c->version >= 5)
        codec_max(c, &item->mem_mib, PROTO_MEM_MIB_MAX);
    put_detail(c, &item->detail);
}

static void put_found(struct codec *c, struct change_results *r)
{
    r->found = codec_array(c, r->found, &r->found_count, PROTO_TESTS_MAX, sizeof(*r->found));
    for (uint32_t i = 0; i < r->found_count && !c->rc; i++) {
        codec_name(c, &r->found[i].test.id, MANIFEST_ID_BYTES_MAX);
        codec_u32(c, &r->found[i].test.k);
        codec_name(c, &r->found[i].group, MANIFEST_GROUP_BYTES_MAX);
        codec_name(c, &r->found[i].flags, MANIFEST_FLAGS_BYTES_MAX);
    }
    codec_u64(c, &r->found_us);
    codec_u64(c, &r->fence);
}

static void put_results(struct codec *c, struct change_results *r)
{
    codec_u32(c, &r->session);
    codec_u64(c, &r->request);
    r->items = codec_array(c, r->items, &r->item_count, RESULT_ITEMS_MAX, sizeof(*r->items));
    for (uint32_t i = 0; i < r->item_count && !c->rc; i++)
        put_item(c, &r->items[i]);
    put_indices(c, &r->released);
    if (c->version >= 2)
        put_indices(c, &r->started);
    r->errors = codec_array(c, r->errors, &r->error_count, PROTO_ERRORS_MAX, sizeof(*r->errors));
    for (uint32_t i = 0; i < r->error_count && !c->rc; i++) {
        codec_name(c, &r->errors[i].kind, PROTO_TEXT_BYTES_MAX);
        codec_name(c, &r->errors[i].text, PROTO_TEXT_BYTES_MAX);
    }
    r->scopes = codec_array(c, r->scopes, &r->scope_count, PROTO_TESTS_MAX, sizeof(*r->scopes));
    for (uint32_t i = 0; i < r->scope_count && !c->rc; i++) {
        codec_name(c, &r->scopes[i].kind, PROTO_TEXT_BYTES_MAX);
        codec_name(c, &r->scopes[i].id, PROTO_TEXT_BYTES_MAX);
        codec_u64(c, &r->scopes[i].setup_us);
        codec_u64(c, &r->scopes[i].teardown_us);
    }
    r->skips = codec_array(c, r->skips, &r->skip_count, PROTO_SKIPS_MAX, sizeof(*r->skips));
    for (uint32_t i = 0; i < r->skip_count && !c->rc; i++) {
        codec_name(c, &r->skips[i].id, PROTO_TEXT_BYTES_MAX);
        codec_name(c, &r->skips[i].text, PROTO_TEXT_BYTES_MAX);
    }
    if (c->version >= 3)
        put_found(c, r);
    codec_text(c, &r->stop, PROTO_TEXT_BYTES_MAX);
}

static void put_leave(struct codec *c, struct change_leave *l)
{
    codec_u32(c, &l->session);
    codec_u32(c, &l->runner_exit);
    codec_max(c, &l->exit, 255);
    codec_text(c, &l->fault, PROTO_TEXT_BYTES_MAX);
    if (c->version < 5)
        return;
    codec_max(c, &l->worker_mib, PROTO_MEM_MIB_MAX);
    codec_max(c, &l->worker_peak_mib, PROTO_MEM_MIB_MAX);
}

static void put_final(struct codec *c, struct change_final *f)
{
    uint32_t verdict = (uint32_t)f->verdict;

    codec_max(c, &verdict, VERDICT_COUNT - 1);
    f->verdict = (enum verdict)verdict;
    codec_u64(c, &f->now_ms);
    put_indices(c, &f->adopt);
}

static void put_change(struct codec *c, struct change *change)
{
    uint32_t kind = (uint32_t)change->kind;

    c->version = CHANGE_VERSION;
    codec_u32(c, &c->version);
    if (!c->rc && (c->version < 1 || c->version > CHANGE_VERSION)) {
        c->rc = err_set(c->err, ERR_VERSION, "stored change of version %u, this program knows %u",
                        c->version, CHANGE_VERSION);
        return;
    }
    codec_max(c, &kind, CHANGE_FINAL);
    if (c->rc)
        return;
    change->kind = (enum change_kind)kind;
    switch (change->kind) {
    case CHANGE_NONE:
        codec_fail(c, "no kind");
        return;
    case CHANGE_OPEN:
        put_open(c, &change->as.open);
        return;
    case CHANGE_JOIN:
        put_join(c, &change->as.join);
        return;
    case CHANGE_COLLECTED:
        put_collected(c, &change->as.collected);
        return;
    case CHANGE_SEAL:
        put_seal(c, &change->as.seal);
        return;
    case CHANGE_PULL:
        put_pull(c, &change->as.pull);
        return;
    case CHANGE_RESULTS:
        put_results(c, &change->as.results);
        return;
    case CHANGE_DRAIN:
        codec_u32(c, &change->as.drain.session);
        return;
    case CHANGE_LEAVE:
        put_leave(c, &change->as.leave);
        return;
    case CHANGE_EXPIRE:
        put_indices(c, &change->as.expire.sessions);
        return;
    case CHANGE_FINAL:
        put_final(c, &change->as.final);
        return;
    }
    UNREACHABLE("change kind");
}

enum err_code change_encode(const struct change *change, struct str *out, struct err *err)
{
    struct change view = *change; /* a description reads only what it points to */
    struct codec c;

    codec_writer(&c, out, err);
    put_change(&c, &view);
    return codec_end(&c);
}

enum err_code change_decode(const void *bytes, size_t len, struct change *out, struct err *err)
{
    struct change change = { .kind = CHANGE_NONE };
    struct codec c;
    enum err_code rc;

    if (len > CHANGE_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "stored change of %zu bytes", len);
    codec_reader(&c, bytes, len, err);
    put_change(&c, &change);
    rc = codec_end(&c);
    if (rc)
        change_fini(&change);
    else
        *out = change;
    return rc;
}
