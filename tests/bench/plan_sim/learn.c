#include "learn.h"

#include <math.h>
#include <stdlib.h>

#include "chance.h"
#include "mem.h"
#include "plan/estimate.h"
#include "plan/first.h"

/* As the coordinator does when it seals a run. */
static void first(struct trace *t, const struct estimate *known, const uint64_t *costs_us)
{
    bool *is_known = mem_new(t->test_count, sizeof(*is_known));
    uint32_t *at = mem_new(t->test_count, sizeof(*at)), count;

    for (uint32_t i = 0; i < t->test_count; i++)
        is_known[i] = known[i].samples > 0;
    count = first_unknown(costs_us, is_known, t->test_count, at);
    for (uint32_t i = 0; i < count; i++)
        t->tests[at[i]].flags = POOL_FIRST;
    free(is_known);
    free(at);
}

void learn(struct trace *t, const struct learn_opts *opts)
{
    uint32_t run = opts->run;
    uint64_t chance = opts->seed * 77, *costs_us = mem_new(t->test_count, sizeof(*costs_us));
    struct estimate *known = mem_new(t->test_count, sizeof(*known));

    for (uint32_t i = 0; i < t->test_count; i++) {
        uint64_t us = opts->setups ? trace_own_us(t, run, i) : t->us[run][i];

        if (opts->noise_dev > 0)
            us = (uint64_t)((double)us * exp(opts->noise_dev * chance_normal(&chance)));
        costs_us[i] = us;
        t->tests[i].flags = 0;
        if (opts->unknown <= 0 || chance_uniform(&chance) >= opts->unknown)
            estimate_add(&known[i], us, false);
    }
    if (!opts->exact)
        (void)estimate_fill((const char *const *)t->ids, known, t->test_count, costs_us);
    for (uint32_t i = 0; i < t->test_count; i++) {
        t->tests[i].cost_us = costs_us[i];
        t->highs_us[i] = estimate_high_us(&known[i]);
    }
    first(t, known, costs_us);
    for (uint32_t c = 0; c < t->scope_count; c++)
        t->scopes[c].setup_us = opts->setups ? t->setup_us[run][c] : 0;
    free(costs_us);
    free(known);
}
