/* plan_sim: makespan / lower bound of the planner and of its peers.
 *
 *   plan_sim [--seeds N] [--setups] TRACE...   recorded suites (tests/data/traces)
 *   plan_sim [--seeds N] --synthetic           made-up suites with set-ups of several shapes
 *   plan_sim [--seeds N] --trouble TRACE...    20 % noise, 5 % unknown tests, one machine twice as
 *                                              slow, one told to go at half time
 *   --from N     the first seed (1); others than those that constants were chosen with
 *   --where      in place of the peers: where the time above the bound went
 *   --shuffle    which test is off by how much is dealt anew for each seed (not with set-ups)
 *   --speculate  idle workers run copies of running tests, as agents with that option do
 *
 * Plans with the first recorded run of a suite, through the estimates that the product makes, and
 * executes the durations of the second. Agents start over an exponential 0.5 s, their speeds are
 * log-normal with 10 %, two workers each, 20 ms a request. Figures are geometric means over the
 * seeds. Exit status 1 when a bar is missed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "learn.h"
#include "mem.h"
#include "peers.h"
#include "plan/simulate.h"
#include "shuffle.h"
#include "synthetic.h"
#include "trace.h"
#include "where.h"

#define SIZES      4u
#define NOISE_DEV  0.20
#define UNKNOWN    0.05
#define REQUEST_US 20000u
#define DETECT_US  10000000u
#define POLICIES   (PEER_COUNT + 4)
#define OURS       PEER_COUNT
#define KNOWING    (PEER_COUNT + 1) /* ours, if all durations were known */
#define NOISY      (PEER_COUNT + 2) /* ours, if the noise were all that they are off by */
#define FORESEEN   (PEER_COUNT + 3) /* somebody who knows the machines, too */
#define AS_GOOD    1.005            /* within half a percent is as good */

static const uint32_t sizes[SIZES] = { 2, 4, 8, 16 };
static const double bars[SIZES] = { 1.015, 1.035, 1.05, 1.13 };

enum mode { MODE_PLAIN, MODE_SETUPS, MODE_TROUBLE };

struct options {
    enum mode mode;
    uint32_t from, seeds;
    bool where, speculate, shuffle;
};

struct tally {
    double log_sum[SIZES][POLICIES];
    uint32_t n[SIZES];
    uint64_t requests[SIZES];
    uint32_t worse; /* rows in which a peer was better */
    double where[SIZES][WHERE_PARTS], bound_s[SIZES];
};

static void run_ours(const struct sim_input *in, uint32_t policy, struct tally *tally,
                     uint32_t size, uint64_t *out_bound_us)
{
    double idle_us[WHERE_PARTS];
    struct sim_result res;

    sim_run(in, &res);
    if (res.ended != in->test_count) {
        (void)fprintf(stderr, "plan_sim: %u of %u tests ran\n", res.ended, in->test_count);
        exit(1);
    }
    *out_bound_us = fleet_bound_us(in, &res);
    tally->log_sum[size][policy] += log((double)res.makespan_us / (double)*out_bound_us);
    if (policy == OURS) {
        where_idle(in, &res, idle_us);
        for (uint32_t i = 0; i < WHERE_PARTS; i++)
            tally->where[size][i] += idle_us[i] / (double)*out_bound_us;
        tally->bound_s[size] += (double)*out_bound_us / 1e6;
        tally->requests[size] += res.requests;
        tally->n[size]++;
    }
    free(res.spans);
}

/* A suite as the planner, the peers and somebody who knows all durations see it. */
struct views {
    struct pool_test *recorded, *known, *noisy;
    struct pool_scope *known_scopes;
};

static void run_one(const struct sim_input *in, const struct views *views, struct tally *tally,
                    uint32_t size)
{
    struct sim_input other = *in;
    uint64_t lower_us, ignored_us;

    run_ours(in, OURS, tally, size, &lower_us);
    other.tests = views->known;
    other.scopes = views->known_scopes;
    run_ours(&other, KNOWING, tally, size, &ignored_us);
    if (views->noisy) {
        other.tests = views->noisy;
        run_ours(&other, NOISY, tally, size, &ignored_us);
        tally->log_sum[size][FORESEEN] += log((double)fleet_foreseen_us(in) / (double)lower_us);
    }
    other.tests = views->recorded;
    other.scopes = in->scopes;
    for (uint32_t p = 0; p < PEER_COUNT; p++)
        tally->log_sum[size][p] +=
            log((double)peer_run((enum peer)p, p == PEER_IDEAL ? in : &other) / (double)lower_us);
}

static struct views make_views(struct trace *t, bool setups)
{
    struct views v = { .recorded = mem_dup(t->tests, t->test_count * sizeof(*v.recorded)) };

    for (uint32_t i = 0; i < t->test_count; i++)
        v.recorded[i].cost_us = setups ? trace_own_us(t, 0, i) : t->us[0][i];
    learn(t, &(struct learn_opts){ .run = 1, .setups = setups, .exact = true });
    v.known = mem_dup(t->tests, t->test_count * sizeof(*v.known));
    v.known_scopes = mem_dup(t->scopes, t->scope_count * sizeof(*v.known_scopes));
    learn(t, &(struct learn_opts){ .setups = setups });
    return v;
}

/* Noise, and tests that nobody knows: on top of what the records differ by, and alone. */
static void blur(struct trace *t, struct views *v, uint64_t seed)
{
    struct learn_opts opts = { .run = 1, .noise_dev = NOISE_DEV, .unknown = UNKNOWN, .seed = seed };

    learn(t, &opts);
    free(v->noisy);
    v->noisy = mem_dup(t->tests, t->test_count * sizeof(*v->noisy));
    opts.run = 0;
    learn(t, &opts);
}

static void run_trace(struct trace *t, const struct options *opts, struct tally *tally)
{
    bool setups = opts->mode == MODE_SETUPS;
    struct sim_agent agents[FLEET_MAX];
    struct views views;
    uint64_t *actual_us = mem_new(t->test_count, sizeof(*actual_us));
    uint64_t *setup_us = mem_new(t->scope_count + 1, sizeof(*setup_us));
    struct sim_input in = { .tests = t->tests,
                            .actual_us = actual_us,
                            .test_count = t->test_count,
                            .scopes = t->scopes,
                            .actual_setup_us = setup_us,
                            .scope_count = t->scope_count,
                            .agents = agents,
                            .startup_us = FLEET_STARTUP_US,
                            .expect_all = true,
                            .request_us = REQUEST_US,
                            .detect_us = DETECT_US,
                            .speculate = opts->speculate,
                            .highs_us = t->highs_us };

    for (uint32_t i = 0; i < t->test_count; i++)
        actual_us[i] = setups ? trace_own_us(t, 1, i) : t->us[1][i];
    for (uint32_t c = 0; c < t->scope_count && setups; c++)
        setup_us[c] = t->setup_us[1][c];
    views = make_views(t, setups);
    for (uint32_t s = 0; s < SIZES; s++)
        for (uint32_t seed = opts->from; seed < opts->from + opts->seeds; seed++) {
            in.agent_count = sizes[s];
            fleet_make(agents, sizes[s], seed);
            if (opts->shuffle && !setups) {
                shuffle(t, seed, actual_us);
                for (uint32_t i = 0; i < t->test_count; i++)
                    views.known[i].cost_us = actual_us[i];
            }
            if (opts->mode == MODE_TROUBLE) {
                blur(t, &views, seed + sizes[s]);
                fleet_trouble(&in, agents);
            }
            run_one(&in, &views, tally, s);
        }
    free(views.recorded);
    free(views.known);
    free(views.known_scopes);
    free(views.noisy);
    free(actual_us);
    free(setup_us);
}

static double ratio(const struct tally *t, uint32_t size, uint32_t policy)
{
    return exp(t->log_sum[size][policy] / t->n[size]);
}

/* Peers that leave and slow down as ours do are not simulated. */
static uint32_t peers_shown(const struct options *opts)
{
    return opts->where || opts->mode == MODE_TROUBLE ? 0 : PEER_COUNT;
}

static void print_head(const struct options *opts)
{
    bool trouble = opts->mode == MODE_TROUBLE;
    uint32_t columns = peers_shown(opts) + (opts->where ? 4 : 0) + (trouble ? 2 : 0) + 5;

    printf("| suite | agents |");
    for (uint32_t p = 0; p < peers_shown(opts); p++)
        printf(" %s |", peer_names[p]);
    if (opts->where)
        printf(" bound s | before first test | between tests | at the end |");
    printf(" makespan |%s durations known |%s requests |\n|", trouble ? " noise alone |" : "",
           trouble ? " all foreseen |" : "");
    while (columns--)
        printf("---|");
    printf("\n");
}

static void print_rows(const char *name, struct tally *t, const struct options *opts)
{
    for (uint32_t s = 0; s < SIZES; s++) {
        double best = 1e9, ours = ratio(t, s, OURS);
        bool worse;

        printf("| %s | %u |", name, sizes[s]);
        for (uint32_t p = 0; p < peers_shown(opts); p++) {
            printf(" %.3f |", ratio(t, s, p));
            if (p != PEER_IDEAL && ratio(t, s, p) < best)
                best = ratio(t, s, p);
        }
        if (opts->where)
            printf(" %.3f |", t->bound_s[s] / t->n[s]);
        for (uint32_t i = 0; i < WHERE_PARTS && opts->where; i++)
            printf(" %.4f |", t->where[s][i] / t->n[s]);
        worse = ours > best * AS_GOOD;
        printf(" %.4f |", ours);
        if (opts->mode == MODE_TROUBLE)
            printf(" %.4f | %.4f | %.4f |", ratio(t, s, NOISY), ratio(t, s, KNOWING),
                   ratio(t, s, FORESEEN));
        else
            printf(" %.4f |", ratio(t, s, KNOWING));
        printf(" %.0f |%s\n", (double)t->requests[s] / t->n[s], worse ? " worse" : "");
        t->worse += worse;
    }
}

static void add(struct tally *to, const struct tally *from)
{
    for (uint32_t s = 0; s < SIZES; s++) {
        for (uint32_t p = 0; p < POLICIES; p++)
            to->log_sum[s][p] += from->log_sum[s][p];
        for (uint32_t i = 0; i < WHERE_PARTS; i++)
            to->where[s][i] += from->where[s][i];
        to->bound_s[s] += from->bound_s[s];
        to->n[s] += from->n[s];
        to->requests[s] += from->requests[s];
    }
    to->worse += from->worse;
}

static void run_and_print(struct trace *t, const struct options *opts, struct tally *all)
{
    struct tally one = { .worse = 0 };

    run_trace(t, opts, &one);
    print_rows(t->name, &one, opts);
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
        else if (p < PEER_IDEAL && sum < best)
            best = sum;
    }
    return exp(ours - best);
}

static void run_synthetic(const struct options *opts, struct tally *all)
{
    for (uint32_t shape = 0; shape < SYNTHETIC_COUNT; shape++) {
        struct tally one = { .worse = 0 };
        struct trace *t = NULL;

        for (uint32_t seed = opts->from; seed < opts->from + opts->seeds; seed++) {
            struct options this = *opts;

            this.from = seed;
            this.seeds = 1;
            trace_free(t);
            t = synthetic_new(shape, seed);
            run_trace(t, &this, &one);
        }
        print_rows(t->name, &one, opts);
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

/* Leaves the traces in argv, NULL elsewhere. */
static bool read_options(int argc, char **argv, struct options *opts)
{
    bool synthetic = false;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        bool valued = i + 1 < argc && (!strcmp(arg, "--seeds") || !strcmp(arg, "--from"));

        if (arg[0] == '-')
            argv[i] = NULL;
        if (valued) {
            *(strcmp(arg, "--from") ? &opts->seeds : &opts->from) =
                (uint32_t)strtoul(argv[i + 1], NULL, 10);
            argv[++i] = NULL;
        } else if (!strcmp(arg, "--setups")) {
            opts->mode = MODE_SETUPS;
        } else if (!strcmp(arg, "--trouble")) {
            opts->mode = MODE_TROUBLE;
        } else if (!strcmp(arg, "--where")) {
            opts->where = true;
        } else if (!strcmp(arg, "--shuffle")) {
            opts->shuffle = true;
        } else if (!strcmp(arg, "--speculate")) {
            opts->speculate = true;
        } else if (!strcmp(arg, "--synthetic")) {
            opts->mode = MODE_SETUPS;
            synthetic = true;
        }
    }
    return synthetic;
}

int main(int argc, char **argv)
{
    struct tally all = { .worse = 0 };
    struct options opts = { .from = 1, .seeds = 10 };
    bool synthetic = read_options(argc, argv, &opts);

    print_head(&opts);
    for (int i = 1; i < argc && !synthetic; i++)
        if (argv[i]) {
            struct trace *t = trace_load(argv[i]);

            run_and_print(t, &opts, &all);
            trace_free(t);
        }
    if (synthetic)
        run_synthetic(&opts, &all);
    print_rows("geometric mean", &all, &opts);
    if (peers_shown(&opts))
        printf("\nall sizes: %.3f of the best single peer\n", against_best_peer(&all));
    return misses_a_bar(&all, opts.mode);
}
