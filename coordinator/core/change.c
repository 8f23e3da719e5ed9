#include "core/change.h"

#include <stdlib.h>

#include "mem.h"

void index_list_add(struct index_list *list, uint32_t index)
{
    list->at = mem_grow(list->at, &list->cap, (size_t)list->count + 1, sizeof(*list->at));
    list->at[list->count++] = index;
}

static void refs_free(struct test_ref *refs, uint32_t count)
{
    for (uint32_t i = 0; refs && i < count; i++)
        test_ref_fini(&refs[i]);
    free(refs);
}

static void labels_free(struct label *labels, uint32_t count)
{
    for (uint32_t i = 0; labels && i < count; i++) {
        free(labels[i].key);
        free(labels[i].value);
    }
    free(labels);
}

static void results_free(struct change_results *r)
{
    for (uint32_t i = 0; r->items && i < r->item_count; i++)
        detail_free(r->items[i].detail);
    for (uint32_t i = 0; r->errors && i < r->error_count; i++)
        run_error_fini(&r->errors[i]);
    for (uint32_t i = 0; r->scopes && i < r->scope_count; i++)
        scope_cost_fini(&r->scopes[i]);
    free(r->items);
    free(r->errors);
    free(r->scopes);
    for (uint32_t i = 0; r->skips && i < r->skip_count; i++)
        unit_skip_fini(&r->skips[i]);
    free(r->skips);
    for (uint32_t i = 0; r->found && i < r->found_count; i++)
        found_test_fini(&r->found[i]);
    free(r->found);
    free(r->released.at);
    free(r->started.at);
    free(r->stop);
}

static void open_free(struct change_open *o)
{
    free(o->project);
    free(o->suite);
    free(o->run_key);
    free(o->fingerprint);
    free(o->command);
    free(o->carried);
    free(o->slots);
}

void change_fini(struct change *change)
{
    switch (change->kind) {
    case CHANGE_NONE:
    case CHANGE_DRAIN:
        break;
    case CHANGE_OPEN:
        open_free(&change->as.open);
        break;
    case CHANGE_JOIN:
        free(change->as.join.instance);
        free(change->as.join.agent_version);
        labels_free(change->as.join.labels, change->as.join.label_count);
        break;
    case CHANGE_COLLECTED:
        free(change->as.collected.runtime);
        free(change->as.collected.lacks.at);
        refs_free(change->as.collected.only_first, change->as.collected.only_first_count);
        refs_free(change->as.collected.only_other, change->as.collected.only_other_count);
        break;
    case CHANGE_SEAL:
        free(change->as.seal.costs_us);
        free(change->as.seal.scope_us);
        free(change->as.seal.first.at);
        manifest_free(change->as.seal.manifest);
        pool_free(change->as.seal.pool);
        free(change->as.seal.highs_us);
        free(change->as.seal.heavy);
        break;
    case CHANGE_PULL:
        free(change->as.pull.started.at);
        free(change->as.pull.shard.at);
        free(change->as.pull.copies.at);
        free(change->as.pull.recall.at);
        free(change->as.pull.text);
        break;
    case CHANGE_RESULTS:
        results_free(&change->as.results);
        break;
    case CHANGE_LEAVE:
        free(change->as.leave.fault);
        break;
    case CHANGE_EXPIRE:
        free(change->as.expire.sessions.at);
        break;
    case CHANGE_FINAL:
        free(change->as.final.adopt.at);
        break;
    }
    *change = (struct change){ .kind = CHANGE_NONE };
}
