#include "forecast.h"

#include <stdlib.h>

#include "manifest.h"
#include "mem.h"
#include "plan/bound.h"
#include "plan/fixlog.h"
#include "plan/simulate.h"
#include "plan/suite.h"

#define AVERAGE_PPM 1000000u
#define PPM_PER_PCT 10000

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Nearly normal, deviation 1, in millionths: twelve uniform numbers less their mean. */
static int64_t normal_ppm(uint64_t *state)
{
    int64_t sum = 0;

    for (int i = 0; i < 12; i++)
        sum += (int64_t)(next_random(state) % 1000001);
    return sum - 6 * 1000000;
}

/* v * e^(deviation * normal), whole. */
static uint64_t spread(uint64_t v, uint32_t pct, uint64_t *state)
{
    int64_t log_ppm = normal_ppm(state) * (int64_t)pct / 100;

    return pct ? fixlog_exp(fixlog_ppm(v) + log_ppm) : v;
}

/* -mean * ln(uniform) */
static uint64_t exponential(uint64_t mean_us, uint64_t *state)
{
    uint64_t u = next_random(state) >> 24; /* 40 bits: ln(2^40) is the longest */

    return (uint64_t)((wide_uint)mean_us * (uint64_t)(27725887 - fixlog_ppm(u)) / 1000000);
}

static void make_agents(struct sim_agent *agents, uint32_t count, const struct forecast_opts *opts,
                        uint64_t work_us, uint64_t *state)
{
    uint64_t half_us = opts->startup_us + work_us / count / opts->workers / 2;

    for (uint32_t i = 0; i < count; i++) {
        bool lost = i + 1 < count && i < opts->lost; /* somebody stays */
        uint64_t start_us = opts->startup_us + exponential(opts->jitter_us, state);
        uint32_t speed_ppm = (uint32_t)spread(AVERAGE_PPM, opts->spread_pct, state);

        agents[i] = (struct sim_agent){
            .start_us = start_us,
            .workers = opts->workers,
            .speed_ppm = speed_ppm,
            .startup_us = (uint64_t)((wide_uint)opts->startup_us * AVERAGE_PPM / speed_ppm),
            .leave_us = lost ? half_us : SIM_NEVER,
            .lost = lost,
        };
    }
}

static uint64_t bound_of(const struct sim_input *in)
{
    struct bound_taker *takers = mem_new(in->agent_count, sizeof(*takers));
    uint64_t us;

    for (uint32_t i = 0; i < in->agent_count; i++)
        takers[i] = (struct bound_taker){ .start_us = in->agents[i].start_us,
                                          .workers = in->agents[i].workers,
                                          .speed_ppm = in->agents[i].speed_ppm };
    us = bound_us(in->actual_us, in->test_count, takers, in->agent_count);
    free(takers);
    return us;
}

static struct manifest *manifest_of(const struct durations *durations, struct err *err)
{
    const struct view none = { .at = "", .len = 0 };
    struct manifest *m = manifest_new();
    enum err_code rc = ERR_NONE;

    for (uint32_t i = 0; !rc && i < durations->count; i++)
        rc = manifest_add(m, view_of(durations->items[i].id), none, none, err);
    if (rc) {
        manifest_free(m);
        return NULL;
    }
    manifest_seal(m);
    return m;
}

/* The same chance for every number of machines: one more joins the same others, so that a row of
 * forecasts differs by their number alone. */
static void simulate(struct suite *suite, const struct durations *durations,
                     const struct forecast_opts *opts, uint32_t agents, struct forecast *out)
{
    uint64_t state = opts->seed * 1000003, work_us = 0;
    uint64_t *actual_us = mem_new(durations->count, sizeof(*actual_us));
    uint64_t *setup_us = mem_new(suite->scope_count, sizeof(*setup_us));
    struct sim_agent *fleet = mem_new(agents, sizeof(*fleet));
    struct sim_input in = { .tests = suite->tests,
                            .actual_us = actual_us,
                            .test_count = durations->count,
                            .scopes = suite->scopes,
                            .actual_setup_us = setup_us,
                            .scope_count = suite->scope_count,
                            .startup_us = opts->startup_us,
                            .agents = fleet,
                            .agent_count = agents,
                            .expect_all = true,
                            .request_us = opts->request_us,
                            .detect_us = 10000000,
                            .speculate = opts->speculate };
    struct sim_result res;

    for (uint32_t i = 0; i < durations->count; i++) {
        suite->tests[i].cost_us = durations->items[i].us;
        actual_us[i] = spread(durations->items[i].us, opts->noise_pct, &state);
        work_us += actual_us[i];
    }
    make_agents(fleet, agents, opts, work_us, &state);
    sim_run(&in, &res);
    *out = (struct forecast){ .agents = agents,
                              .time_us = res.first_us + res.makespan_us,
                              .bound_us = bound_of(&in) };
    for (uint32_t i = 0; i < agents; i++)
        out->paid_us += fleet[i].leave_us < out->time_us ? fleet[i].leave_us : out->time_us;
    free(res.spans);
    free(fleet);
    free(setup_us);
    free(actual_us);
}

enum err_code forecast_run(const struct durations *durations, const struct forecast_opts *opts,
                           uint32_t agents, struct forecast *out, struct err *err)
{
    struct manifest *m;
    struct suite *suite;

    INVARIANT(agents > 0 && agents <= FORECAST_AGENTS_MAX && opts->workers > 0);
    if ((uint64_t)durations->count * agents > FORECAST_NODES_MAX)
        return err_set(err, ERR_TOO_LARGE,
                       "%u tests on %u machines: at most %u tests times "
                       "machines are simulated",
                       durations->count, agents, FORECAST_NODES_MAX);
    m = manifest_of(durations, err);
    if (!m)
        return err->code;
    suite = suite_new(m);
    simulate(suite, durations, opts, agents, out);
    suite_free(suite);
    manifest_free(m);
    return ERR_NONE;
}

size_t forecast_knee(const struct forecast *row, size_t count)
{
    size_t best = 0;
    double best_gap = 0;

    for (size_t i = 1; i + 1 < count; i++) {
        double width = (double)(row[count - 1].agents - row[0].agents);
        double height = (double)row[0].time_us - (double)row[count - 1].time_us;
        double x = (double)(row[i].agents - row[0].agents) / width;
        double y = height > 0 ? ((double)row[0].time_us - (double)row[i].time_us) / height : 0;

        if (y - x > best_gap) {
            best_gap = y - x;
            best = i;
        }
    }
    return best;
}

const struct duration *forecast_floor(const struct durations *durations)
{
    const struct duration *longest = NULL;

    for (uint32_t i = 0; i < durations->count; i++)
        if (!longest || durations->items[i].us > longest->us)
            longest = &durations->items[i];
    return longest;
}
