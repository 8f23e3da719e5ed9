/* plan_sim: makespan / lower bound of the planner and of its peers, on recorded suites.
 *
 *   plan_sim [--seeds N] [--setups] TRACE...
 *
 * Plans with the first recorded run of a suite and executes the durations of the second. Agents
 * start over an exponential 0.5 s, their speeds are log-normal with 10 %, two workers each, 20 ms a
 * request. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "peers.h"
#include "plan/bound.h"
#include "plan/simulate.h"
#include "trace.h"

#define SIZES      4u
#define AGENTS_MAX 16u
#define START_US   500000.0
#define SPEED_DEV  0.10
#define REQUEST_US 20000u
#define POLICIES   (PEER_COUNT + 1)
#define OURS       PEER_COUNT

static const uint32_t sizes[SIZES] = { 2, 4, 8, 16 };
static const double bars[SIZES] = { 1.015, 1.035, 1.05, 1.13 };

static double uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
    double u = uniform(state), v = uniform(state);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static void make_agents(struct sim_agent *agents, uint32_t count, uint64_t seed)
{
    uint64_t chance = seed * 1000 + count;

    for (uint32_t i = 0; i < count; i++)
        agents[i] =
            (struct sim_agent){ .start_us = (uint64_t)(-log(uniform(&chance)) * START_US),
                                .workers = 2,
                                .speed_ppm = (uint32_t)(exp(normal(&chance) * SPEED_DEV) * 1e6),
                                .leave_us = SIM_NEVER };
}

/* The bound of what then happened; every scope is set up once at the least. */
static uint64_t bound_of(const struct sim_input *in)
{
    struct bound_taker takers[AGENTS_MAX];
    uint64_t first_us = UINT64_MAX, us;
    uint64_t *costs_us = mem_new(in->test_count + in->scope_count, sizeof(*costs_us));

    memcpy(costs_us, in->actual_us, in->test_count * sizeof(*costs_us));
    memcpy(costs_us + in->test_count, in->actual_setup_us, in->scope_count * sizeof(*costs_us));
    for (uint32_t i = 0; i < in->agent_count; i++)
        if (in->agents[i].start_us < first_us)
            first_us = in->agents[i].start_us;
    for (uint32_t i = 0; i < in->agent_count; i++)
        takers[i] = (struct bound_taker){ in->agents[i].start_us - first_us, in->agents[i].workers,
                                          in->agents[i].speed_ppm };
    us = bound_us(costs_us, in->test_count + in->scope_count, takers, in->agent_count);
    free(costs_us);
    return us;
}

struct tally {
    double log_sum[SIZES][POLICIES];
    uint32_t n[SIZES];
    uint64_t requests[SIZES];
};

static void run_one(const struct sim_input *in, struct tally *tally, uint32_t size)
{
    double bound = (double)bound_of(in);
    struct sim_result res;

    for (uint32_t p = 0; p < PEER_COUNT; p++)
        tally->log_sum[size][p] += log((double)peer_run((enum peer)p, in) / bound);
    sim_run(in, &res);
    if (res.ended != in->test_count) {
        (void)fprintf(stderr, "plan_sim: %u of %u tests ran\n", res.ended, in->test_count);
        exit(1);
    }
    tally->log_sum[size][OURS] += log((double)res.makespan_us / bound);
    tally->requests[size] += res.requests;
    tally->n[size]++;
    free(res.spans);
}

/* What a test takes itself: its recorded time without the set-ups that it happened to pay. */
static uint64_t own_us(const struct trace *t, uint32_t run, uint32_t i)
{
    uint64_t us = t->us[run][i];
    uint32_t last = i ? t->tests[i - 1].scope : POOL_NONE;

    for (uint32_t c = t->tests[i].scope; c != POOL_NONE; c = t->scopes[c].parent) {
        uint32_t open = last;

        while (open != POOL_NONE && open != c)
            open = t->scopes[open].parent;
        if (open == POOL_NONE)
            us = us > t->setup_us[run][c] ? us - t->setup_us[run][c] : 0;
    }
    return us;
}

static void run_trace(const struct trace *t, uint32_t seeds, bool setups, struct tally *tally)
{
    struct sim_agent agents[AGENTS_MAX];
    uint64_t *actual_us = mem_new(t->test_count, sizeof(*actual_us));
    uint64_t *setup_us = mem_new(t->scope_count, sizeof(*setup_us));
    struct sim_input in = { .tests = t->tests,
                            .actual_us = actual_us,
                            .test_count = t->test_count,
                            .scopes = t->scopes,
                            .actual_setup_us = setup_us,
                            .scope_count = t->scope_count,
                            .agents = agents,
                            .expect_all = true,
                            .request_us = REQUEST_US };

    for (uint32_t i = 0; i < t->test_count; i++) {
        t->tests[i].cost_us = setups ? own_us(t, 0, i) : t->us[0][i];
        actual_us[i] = setups ? own_us(t, 1, i) : t->us[1][i];
    }
    for (uint32_t c = 0; c < t->scope_count; c++) {
        t->scopes[c].setup_us = setups ? t->setup_us[0][c] : 0;
        setup_us[c] = setups ? t->setup_us[1][c] : 0;
    }
    for (uint32_t s = 0; s < SIZES; s++)
        for (uint32_t seed = 1; seed <= seeds; seed++) {
            in.agent_count = sizes[s];
            make_agents(agents, sizes[s], seed);
            run_one(&in, tally, s);
        }
    free(actual_us);
    free(setup_us);
}

static void print_rows(const char *name, const struct tally *t)
{
    for (uint32_t s = 0; s < SIZES; s++) {
        double best = 1e9;

        printf("| %-12s | %2u |", name, sizes[s]);
        for (uint32_t p = 0; p < POLICIES; p++) {
            double ratio = exp(t->log_sum[s][p] / t->n[s]);

            printf(" %.3f |", ratio);
            if (p < PEER_IDEAL && ratio < best)
                best = ratio;
        }
        printf(" %.0f%s |\n", (double)t->requests[s] / t->n[s],
               exp(t->log_sum[s][OURS] / t->n[s]) > best * 1.005 ? " WORSE" : "");
    }
}

static void add(struct tally *to, const struct tally *from)
{
    for (uint32_t s = 0; s < SIZES; s++) {
        for (uint32_t p = 0; p < POLICIES; p++)
            to->log_sum[s][p] += from->log_sum[s][p];
        to->n[s] += from->n[s];
        to->requests[s] += from->requests[s];
    }
}

int main(int argc, char **argv)
{
    struct tally all = { 0 };
    uint32_t seeds = 10;
    bool setups = false;
    int missed = 0;

    printf("| suite | agents |");
    for (uint32_t p = 0; p < PEER_COUNT; p++)
        printf(" %s |", peer_names[p]);
    printf(" makespan | requests |\n");
    for (int i = 1; i < argc; i++) {
        struct tally one = { 0 };
        struct trace *t;

        if (!strcmp(argv[i], "--setups")) {
            setups = true;
            continue;
        }
        if (!strcmp(argv[i], "--seeds") && i + 1 < argc) {
            seeds = (uint32_t)strtoul(argv[++i], NULL, 10);
            continue;
        }
        t = trace_load(argv[i]);
        run_trace(t, seeds, setups, &one);
        print_rows(t->name, &one);
        add(&all, &one);
        trace_free(t);
    }
    print_rows("geo. mean", &all);
    for (uint32_t s = 0; s < SIZES; s++)
        missed += exp(all.log_sum[s][OURS] / all.n[s]) > bars[s];
    return missed ? 1 : 0;
}
