/* The digest of a run: every field that is not memory only, in the order of model.h. */
#include <string.h>

#include "core/model.h"

static void add_u64(struct hash *h, uint64_t v)
{
    hash_add_u32(h, (uint32_t)v);
    hash_add_u32(h, (uint32_t)(v >> 32));
}

static void add_text(struct hash *h, const char *text)
{
    add_u64(h, text ? strlen(text) + 1 : 0);
    if (text)
        hash_add(h, text, strlen(text));
}

static void add_detail(struct hash *h, const struct detail *d)
{
    add_u64(h, d != NULL);
    if (!d)
        return;
    add_text(h, d->when);
    add_text(h, d->message);
    add_text(h, d->text);
    add_text(h, d->out);
    add_text(h, d->err);
    add_text(h, d->log);
    add_text(h, d->classname);
    add_text(h, d->name);
    add_u64(h, d->property_count);
    for (uint32_t i = 0; i < d->property_count; i++) {
        add_text(h, d->properties[i].key);
        add_text(h, d->properties[i].value);
    }
    add_u64(h, d->reruns);
}

static void add_tests(struct hash *h, const struct run *run)
{
    add_u64(h, (uint64_t)run->sealed_count << 32 | run->test_count);
    INVARIANT(run->manifest || run->test_count == 0);
    for (uint32_t i = run->sealed_count; i < run->test_count; i++) {
        add_text(h, run->manifest->tests[i].id);
        add_u64(h, run->manifest->tests[i].k);
        add_text(h, run->manifest->tests[i].group);
        add_text(h, run->manifest->tests[i].flags);
        add_u64(h, run->finders[i - run->sealed_count]);
    }
    for (uint32_t i = 0; i < run->test_count; i++) {
        const struct run_test *t = &run->tests[i];

        add_u64(h, (uint64_t)t->place | (uint64_t)t->outcome << 8 | (uint64_t)t->flags << 32);
        add_u64(h, (uint64_t)t->session << 32 | t->worker);
        add_u64(h, (uint64_t)t->prev << 32 | t->next);
        add_u64(h, (uint64_t)t->tries << 32 | (uint64_t)t->reported);
        add_u64(h, t->fence);
        add_u64(h, t->setup_us);
        add_u64(h, t->call_us);
        add_u64(h, t->teardown_us);
        add_u64(h, t->started_ms);
        add_u64(h, t->mem_mib);
        add_detail(h, t->detail);
        add_detail(h, t->amended);
        add_u64(h, run->costs_us[i]);
    }
}

static void add_pace(struct hash *h, const struct pace_fleet *pace)
{
    for (uint32_t i = 0; i < PACE_CLASSES; i++) {
        add_u64(h, (uint64_t)pace->mean_log_ppm[i]);
        add_u64(h, pace->count[i]);
    }
    add_u64(h, pace->predicted_us);
    add_u64(h, pace->took_us);
}

static void add_session(struct hash *h, const struct session *s)
{
    add_text(h, s->id);
    add_text(h, s->token_hash);
    add_text(h, s->nonce_hash);
    add_text(h, s->instance);
    add_text(h, s->agent_version);
    add_u64(h, s->label_count);
    for (uint32_t i = 0; i < s->label_count; i++) {
        add_text(h, s->labels[i].key);
        add_text(h, s->labels[i].value);
    }
    add_u64(h, (uint64_t)s->index << 32 | s->attempt);
    add_u64(h, (uint64_t)s->workers << 32 | (uint64_t)s->state);
    add_u64(h, (uint64_t)(s->late | s->collected << 1 | s->cancelled << 2 | s->ended << 3 |
                          s->speculate << 4));
    add_u64(h, s->first_ppm);
    add_u64(h, s->joined_ms);
    add_u64(h, s->began_ms);
    add_u64(h, s->collected_ms);
    add_u64(h, s->lack_count);
    for (uint32_t i = 0; i < s->lack_count; i++)
        hash_add_u32(h, s->lacks[i]);
    add_u64(h, s->results_last);
    add_u64(h, s->results_window);
    add_u64(h, s->order_last);
    add_u64(h, s->order_seen);
    for (uint32_t i = 0; i < s->order_count; i++) {
        const struct session_order *o = &s->orders[i];

        add_u64(h, (uint64_t)o->kind << 32 | o->exit << 1 | o->complete);
        add_u64(h, o->number);
        add_u64(h, o->fence);
        add_text(h, o->text);
        for (uint32_t k = 0; k < o->test_count; k++)
            hash_add_u32(h, o->tests[k]);
    }
    add_u64(h, (uint64_t)s->held_first << 32 | s->held_count);
    add_u64(h, (uint64_t)s->recall_count << 32 | s->done_count);
    add_u64(h, (uint64_t)s->bad_count << 32 | s->error_count);
    for (uint32_t i = 0; i < s->last_count; i++)
        add_u64(h, (uint64_t)s->last[i].worker << 32 | s->last[i].test);
    add_u64(h, (uint64_t)s->runner_exit << 32 | s->exit);
    add_u64(h, (uint64_t)s->worker_mib << 32 | s->worker_peak_mib);
    add_u64(h, (uint64_t)s->pace.mean_log_ppm);
    add_u64(h, s->pace.count);
}

static void add_refs(struct hash *h, const struct test_ref *refs, uint32_t count)
{
    add_u64(h, count);
    for (uint32_t i = 0; i < count; i++) {
        add_text(h, refs[i].id);
        add_u64(h, refs[i].k);
    }
}

static void add_faults(struct hash *h, const struct fault_list *list)
{
    add_u64(h, (uint64_t)list->count << 32 | list->dropped);
    for (uint32_t i = 0; i < list->count; i++) {
        add_u64(h, list->at[i].session);
        add_text(h, list->at[i].kind);
        add_text(h, list->at[i].text);
    }
}

static void add_lists(struct hash *h, const struct run *run)
{
    for (uint32_t i = 0; i < run->slot_count; i++) {
        add_u64(h, (uint64_t)run->slots[i].index << 32 | run->slots[i].epoch);
        add_u64(h, (uint64_t)run->slots[i].session << 32 | run->slots[i].good);
    }
    for (uint32_t i = 0; i < run->copy_count; i++) {
        add_u64(h, (uint64_t)run->copies[i].test << 32 | run->copies[i].session);
        add_u64(h, run->copies[i].fence << 1 | run->copies[i].started);
    }
    add_u64(h, (uint64_t)run->copies_given << 32 | run->copies_won);
    for (uint64_t i = 0; i < run->fence_count; i++)
        hash_add_u32(h, run->fence_session[i]);
    for (uint32_t i = 0; i < run->observation_count; i++) {
        const struct observation *o = &run->observations[i];

        add_u64(h, (uint64_t)o->test << 32 | o->session);
        add_u64(h, (uint64_t)o->worker << 32 | (uint64_t)o->outcome << 2 |
                       (uint64_t)(o->voided | o->settled << 1));
        add_u64(h, o->fence);
        add_u64(h, o->setup_us + o->call_us + o->teardown_us + o->started_ms);
        add_u64(h, o->mem_mib);
    }
    add_faults(h, &run->faults);
    add_faults(h, &run->remarks);
    for (uint32_t i = 0; i < run->scope_count; i++) {
        add_text(h, run->scopes[i].kind);
        add_text(h, run->scopes[i].id);
        add_u64(h, run->scopes[i].setup_us);
        add_u64(h, run->scopes[i].teardown_us);
    }
    for (uint32_t i = 0; i < run->skip_count; i++) {
        add_text(h, run->skips[i].id);
        add_text(h, run->skips[i].text);
    }
    for (uint32_t i = 0; i < run->carried_count; i++)
        add_u64(h, (uint64_t)run->carried[i].outcome);
    add_u64(h, run->observations_dropped);
    add_u64(h, (uint64_t)run->mismatch.sessions << 32);
    add_refs(h, run->mismatch.only_first, run->mismatch.only_first_count);
    add_refs(h, run->mismatch.only_other, run->mismatch.only_other_count);
    add_u64(h, (uint64_t)run->mismatch.only_first_total << 32 | run->mismatch.only_other_total);
}

void run_digest(const struct run *run, char out[HASH_HEX_BYTES])
{
    struct hash *h = hash_new();

    add_text(h, run->id);
    add_text(h, run->project);
    add_text(h, run->suite);
    add_text(h, run->run_key);
    add_text(h, run->fingerprint);
    add_text(h, run->command);
    add_text(h, run->runtime);
    add_u64(h, (uint64_t)run->epoch << 32 | run->attempt);
    add_u64(h, run->seed);
    add_u64(h, run->created_ms);
    add_u64(h, run->change_count);
    add_u64(h, (uint64_t)run->state << 8 | run->wide);
    add_text(h, run->stop);
    add_text(h, run->manifest ? run->manifest->digest : NULL);
    add_text(h, run->previous_digest);
    add_u64(h, run->startup_us);
    for (uint32_t i = 0; i < run->heavy_count; i++)
        add_u64(h, (uint64_t)run->heavy[i].test << 32 | run->heavy[i].mem_mib);
    add_tests(h, run);
    add_u64(h, (uint64_t)run->done_count << 32 | run->held_count);
    add_u64(h, run->flaky_count);
    for (size_t i = 0; i < ARRAY_LEN(run->counts); i++)
        hash_add_u32(h, run->counts[i]);
    add_u64(h, run->work_us);
    add_u64(h, run->first_start_ms);
    add_u64(h, run->last_end_us);
    add_u64(h, (uint64_t)run->heaviest << 32 | run->heaviest_mib);
    add_u64(h, run->bound_us);
    add_u64(h, run->detail_bytes);
    add_pace(h, &run->pace);
    add_u64(h, run->session_count);
    for (uint32_t i = 0; i < run->session_count; i++)
        add_session(h, run->sessions[i]);
    add_u64(h, (uint64_t)run->live_count << 32 | run->draining_count);
    add_u64(h, (uint64_t)run->unsettled_count << 32 | run->slots_expected);
    add_lists(h, run);
    add_u64(h, (uint64_t)run->verdict);
    add_u64(h, run->closed_ms);
    hash_end(h, out);
}
