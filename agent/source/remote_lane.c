/* Our lane of a run in which every machine runs everything. */
#include "manifest_lanes.h"
#include "remote_inner.h"

static uint32_t lane_first(const struct remote *r)
{
    return r->opts.target->index * r->own->count;
}

enum err_code remote_lane_make(struct remote *r, struct err *err)
{
    const struct target *t = r->opts.target;

    r->manifest = r->own;
    if (!r->each)
        return ERR_NONE;
    if (t->index == PROTO_SLOT_NONE || t->total == 0)
        return err_set(err, ERR_USAGE,
                       "--dist each between machines needs to know them: give --index and --total");
    if (lanes_make(r->own, t->total, &r->whole, err))
        return err->code;
    r->manifest = r->whole;
    return ERR_NONE;
}

uint32_t remote_run_k(const struct remote *r, const char *id, uint32_t k)
{
    uint32_t at = r->whole ? manifest_find(r->own, id, k) : UINT32_MAX;

    return at == UINT32_MAX ? k : r->whole->tests[lane_first(r) + at].k;
}

void remote_own_k(const struct remote *r, struct test_ref *ref)
{
    uint32_t at = r->whole ? manifest_find(r->whole, ref->id, ref->k) : UINT32_MAX;

    if (at != UINT32_MAX && at >= lane_first(r) && at - lane_first(r) < r->own->count)
        ref->k = r->own->tests[at - lane_first(r)].k;
}
