/* Once after the start and then once a day: what is older than operators want to keep is removed,
 * and runs whose durations did not reach the history are taught again. */
#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "service/live.h"

#define UPKEEP_EVERY_MS (24ull * 60 * 60 * 1000)

struct pruning {
    struct service *svc;
    uint64_t before_ms;
    struct store_pruned pruned;
};

static enum err_code prune(void *ctx, struct store *store, struct err *err)
{
    struct pruning *p = ctx;

    return store_prune(store, p->before_ms, &p->pruned, err);
}

static void pruned(void *ctx, enum err_code rc, const struct err *err)
{
    struct pruning *p = ctx;

    if (rc)
        log_error("not_pruned code=%s why=\"%s\"", err_name(rc), err->text);
    else if (p->pruned.runs || p->pruned.manifests)
        log_info("pruned runs=%llu manifests=%llu", (unsigned long long)p->pruned.runs,
                 (unsigned long long)p->pruned.manifests);
    if (!p->svc->ending)
        teach_rest(p->svc);
    free(p);
}

void upkeep_tick(struct service *svc)
{
    uint64_t now_ms = service_now_ms(svc);
    uint64_t wall_ms = service_wall_ms(svc);
    struct pruning *p;

    if (now_ms < svc->upkeep_ms)
        return;
    svc->upkeep_ms = now_ms + UPKEEP_EVERY_MS;
    if (svc->keep_ms == 0 || wall_ms <= svc->keep_ms) {
        teach_rest(svc);
        return;
    }
    p = mem_new(1, sizeof(*p));
    p->svc = svc;
    p->before_ms = wall_ms - svc->keep_ms;
    commit_do(svc->aside, &(struct commit_job){ .work = prune, .done = pruned, .ctx = p });
}
