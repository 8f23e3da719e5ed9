/* Tests that turned up when an agent imported their file, though the sealed manifest does not have
 * them: who told of them first gets them, as it is sure to find them again. */
#include "core/decide_inner.h"
#include "manifest.h"
#include "mem.h"

#define FOUND_US_MIN 1000u

/* Nobody knows what they take: as much as the others on average. */
static uint64_t mean_us(const struct run *run)
{
    uint64_t sum_us = 0, mean;

    for (uint32_t i = 0; i < run->test_count; i++)
        sum_us += run->costs_us[i];
    mean = run->test_count ? sum_us / run->test_count : 0;
    return mean > FOUND_US_MIN ? mean : FOUND_US_MIN;
}

/* What a dead session found is there all the same: whoever comes by is given it. Where every
 * machine runs everything none is found late. */
void decide_found(const struct run *run, uint32_t session, const struct results_request *req,
                  struct change_results *r)
{
    if (req->found_count == 0 || !run->manifest || run->lanes.count > 1)
        return;
    r->found = mem_new(req->found_count, sizeof(*r->found));
    for (uint32_t i = 0; i < req->found_count; i++) {
        const struct manifest_test test = found_test_lent(&req->found[i]);

        if (test.id[0] && manifest_find(run->manifest, test.id, test.k) == UINT32_MAX)
            r->found[r->found_count++] = found_test_of(&test);
    }
    if (r->found_count == 0)
        return;
    r->found_us = mean_us(run);
    if (session_takes_work(run, session))
        r->fence = run->fence_count + 1;
}
