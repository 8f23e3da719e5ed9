/* plan_sim: makespan / lower bound of the planner and of its peers.
 *
 *   plan_sim [--seeds N] [--setups] TRACE...   recorded suites (tests/data/traces)
 *   plan_sim [--seeds N] --synthetic           made-up suites with set-ups of several shapes
 *   plan_sim [--seeds N] --trouble TRACE...    20 % noise, 5 % unknown tests, one machine twice as
 *                                              slow, one leaving at half time
 *
 * Plans with the first recorded run of a suite and executes the durations of the second. Agents
 * start over an exponential 0.5 s, their speeds are log-normal with 10 %, two workers each, 20 ms a
 * request. Figures are geometric means over the seeds. Exit status 1 when a bar is missed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"
#include "peers.h"
#include "plan/bound.h"
#include "plan/simulate.h"
#include "synthetic.h"
#include "trace.h"

#define SIZES      4u
#define AGENTS_MAX 16u
#define START_US   500000.0
#define SPEED_DEV  0.10
#define NOISE_DEV  0.20
#define UNKNOWN    0.05
#define REQUEST_US 20000u
#define DETECT_US  10000000u
#define POLICIES   (PEER_COUNT + 1)
#define OURS       PEER_COUNT
#define AS_GOOD    1.005 /* within half a percent is as good */

static const uint32_t sizes[SIZES] = { 2, 4, 8, 16 };
static const double bars[SIZES] = { 1.015, 1.035, 1.05, 1.13 };

enum mode { MODE_PLAIN, MODE_SETUPS, MODE_TROUBLE };

struct tally {
    double log_sum[SIZES][POLICIES];
    uint32_t n[SIZES];
    uint64_t requests[SIZES];
    uint32_t worse; /* rows in which a peer was better */
};

static void make_agents(struct sim_agent *agents, uint32_t count, uint64_t seed)
{
    uint64_t chance = seed * 1000 + count;

    for (uint32_t i = 0; i < count; i++) {
        double start_us = -log(chance_uniform(&chance)) * START_US;

        agents[i] = (struct sim_agent){
            .start_us = (uint64_t)start_us,
            .workers = 2,
            .speed_ppm = (uint32_t)(exp(chance_normal(&chance) * SPEED_DEV) * 1e6),
            .leave_us = SIM_NEVER,
        };
    }
}

/* The bound of what then happened; every scope is set up once at the least. A machine that leaves
 * counts for the time that it was there. */
static uint64_t bound_of(const struct sim_input *in)
{
    struct bound_taker takers[AGENTS_MAX];
    uint64_t first_us = UINT64_MAX, us, gone_us = 0;
    uint32_t n = 0;
    uint64_t *costs_us = mem_new(in->test_count + in->scope_count + 1, sizeof(*costs_us));

    memcpy(costs_us, in->actual_us, in->test_count * sizeof(*costs_us));
    memcpy(costs_us + in->test_count, in->actual_setup_us, in->scope_count * sizeof(*costs_us));
    for (uint32_t i = 0; i < in->agent_count; i++)
        if (in->agents[i].start_us < first_us)
            first_us = in->agents[i].start_us;
    for (uint32_t i = 0; i < in->agent_count; i++) {
        const struct sim_agent *a = &in->agents[i];

        if (a->leave_us == SIM_NEVER)
            takers[n++] = (struct bound_taker){ a->start_us - first_us, a->workers, a->speed_ppm };
        else if (a->leave_us > a->start_us)
            gone_us += (a->leave_us - a->start_us) * a->workers * (a->speed_ppm / 1000) / 1000;
    }
    for (uint32_t i = 0; gone_us && i < in->test_count; i++) {
        uint64_t part_us = costs_us[i] < gone_us ? costs_us[i] : gone_us;

        costs_us[i] -= part_us; /* that machine may have done it */
        gone_us -= part_us;
    }
    us = bound_us(costs_us, in->test_count + in->scope_count, takers, n);
    free(costs_us);
    return us;
}

static void run_one(const struct sim_input *in, struct tally *tally, uint32_t size, bool peers)
{
    double bound = (double)bound_of(in);
    struct sim_result res;

    for (uint32_t p = 0; p < PEER_COUNT && peers; p++)
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

/* Trouble: what is planned with is worse than a record, and the fleet than it seems. */
static void make_trouble(struct pool_test *tests, const struct trace *t, struct sim_agent *agents,
                         uint32_t count, uint64_t seed)
{
    uint64_t chance = seed * 77 + count, sum_us = 0, span_us;

    for (uint32_t i = 0; i < t->test_count; i++)
        sum_us += t->us[0][i];
    for (uint32_t i = 0; i < t->test_count; i++) {
        double noisy = (double)t->us[0][i] * exp(NOISE_DEV * chance_normal(&chance));

        tests[i].cost_us =
            chance_uniform(&chance) < UNKNOWN ? sum_us / t->test_count : (uint64_t)noisy;
    }
    span_us = sum_us / (2 * count);
    agents[0].speed_ppm /= 2;
    if (count > 2)
        agents[1].leave_us = agents[1].start_us + span_us / 2;
}

static void run_trace(const struct trace *t, uint32_t seeds, enum mode mode, struct tally *tally)
{
    bool setups = mode == MODE_SETUPS;
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
                            .request_us = REQUEST_US,
                            .detect_us = DETECT_US };

    for (uint32_t i = 0; i < t->test_count; i++) {
        t->tests[i].cost_us = setups ? trace_own_us(t, 0, i) : t->us[0][i];
        actual_us[i] = setups ? trace_own_us(t, 1, i) : t->us[1][i];
    }
    for (uint32_t c = 0; c < t->scope_count; c++) {
        t->scopes[c].setup_us = setups ? t->setup_us[0][c] : 0;
        setup_us[c] = setups ? t->setup_us[1][c] : 0;
    }
    for (uint32_t s = 0; s < SIZES; s++)
        for (uint32_t seed = 1; seed <= seeds; seed++) {
            in.agent_count = sizes[s];
            make_agents(agents, sizes[s], seed);
            if (mode == MODE_TROUBLE)
                make_trouble(t->tests, t, agents, sizes[s], seed);
            run_one(&in, tally, s, mode != MODE_TROUBLE);
        }
    free(actual_us);
    free(setup_us);
}

static double ratio(const struct tally *t, uint32_t size, uint32_t policy)
{
    return exp(t->log_sum[size][policy] / t->n[size]);
}

static void print_head(bool peers)
{
    printf("| suite | agents |");
    for (uint32_t p = 0; p < PEER_COUNT && peers; p++)
        printf(" %s |", peer_names[p]);
    printf(" makespan | requests |\n|---|---|");
    for (uint32_t p = 0; p < PEER_COUNT && peers; p++)
        printf("---|");
    printf("---|---|\n");
}

static void print_rows(const char *name, struct tally *t, bool peers)
{
    for (uint32_t s = 0; s < SIZES; s++) {
        double best = 1e9, ours = ratio(t, s, OURS);

        printf("| %s | %u |", name, sizes[s]);
        for (uint32_t p = 0; p < PEER_COUNT && peers; p++) {
            printf(" %.3f |", ratio(t, s, p));
            if (p != PEER_IDEAL && ratio(t, s, p) < best)
                best = ratio(t, s, p);
        }
        printf(" %.3f | %.0f |%s\n", ours, (double)t->requests[s] / t->n[s],
               ours > best * AS_GOOD ? " worse" : "");
        t->worse += ours > best * AS_GOOD;
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
    to->worse += from->worse;
}

static void run_and_print(struct trace *t, uint32_t seeds, enum mode mode, struct tally *all)
{
    struct tally one = { .worse = 0 };

    run_trace(t, seeds, mode, &one);
    print_rows(t->name, &one, mode != MODE_TROUBLE);
    add(all, &one);
}

/* All sizes and shapes together: how much shorter than the best single peer. */
static double against_best_peer(const struct tally *t)
{
    double ours = 0, best = 1e9;

    for (uint32_t p = 0; p < POLICIES; p++) {
        double sum = 0;

        for (uint32_t s = 0; s < SIZES; s++)
            sum += log(ratio(t, s, p)) / SIZES;
        if (p == OURS)
            ours = sum;
        else if (p != PEER_IDEAL && sum < best)
            best = sum;
    }
    return exp(ours - best);
}

static void run_synthetic(uint32_t seeds, struct tally *all)
{
    for (uint32_t shape = 0; shape < SYNTHETIC_COUNT; shape++) {
        struct tally one = { .worse = 0 };
        struct trace *t = NULL;

        for (uint32_t seed = 1; seed <= seeds; seed++) {
            trace_free(t);
            t = synthetic_new(shape, seed);
            run_trace(t, 1, MODE_SETUPS, &one);
        }
        print_rows(t->name, &one, true);
        add(all, &one);
        trace_free(t);
    }
}

static bool misses_a_bar(const struct tally *t, enum mode mode)
{
    bool missed = t->worse > 0;

    for (uint32_t s = 0; s < SIZES && mode == MODE_PLAIN; s++)
        missed |= ratio(t, s, OURS) > bars[s];
    return missed;
}

int main(int argc, char **argv)
{
    struct tally all = { .worse = 0 };
    uint32_t seeds = 10;
    enum mode mode = MODE_PLAIN;
    bool synthetic = false;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--setups"))
            mode = MODE_SETUPS;
        else if (!strcmp(argv[i], "--trouble"))
            mode = MODE_TROUBLE;
        else if (!strcmp(argv[i], "--synthetic"))
            synthetic = true;
        else if (!strcmp(argv[i], "--seeds") && i + 1 < argc)
            seeds = (uint32_t)strtoul(argv[++i], NULL, 10);
    }
    print_head(mode != MODE_TROUBLE);
    for (int i = 1; i < argc && !synthetic; i++) {
        struct trace *t;

        i += !strcmp(argv[i], "--seeds");
        if (argv[i][0] == '-' || (argv[i][0] >= '0' && argv[i][0] <= '9'))
            continue;
        t = trace_load(argv[i]);
        run_and_print(t, seeds, mode, &all);
        trace_free(t);
    }
    if (synthetic)
        run_synthetic(seeds, &all);
    print_rows("geometric mean", &all, mode != MODE_TROUBLE);
    if (mode != MODE_TROUBLE)
        printf("\nall sizes: %.3f of the best single peer\n", against_best_peer(&all));
    return misses_a_bar(&all, synthetic ? MODE_SETUPS : mode);
}
