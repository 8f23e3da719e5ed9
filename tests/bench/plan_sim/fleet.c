#include "fleet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "mem.h"
#include "plan/bound.h"

#define START_US    500000.0
#define SPEED_DEV   0.10
#define STARTUP_DEV 0.10
#define WORKERS     2u
#define HALF_STEPS  30 /* each brings the half time closer by its share of the fleet */

void fleet_make(struct sim_agent *agents, uint32_t count, uint64_t seed)
{
    uint64_t chance = seed * 1000 + count, start_chance = seed * 1001 + count;

    for (uint32_t i = 0; i < count; i++) {
        double start_us = -log(chance_uniform(&chance)) * START_US;

        agents[i] = (struct sim_agent){
            .start_us = (uint64_t)start_us,
            .workers = WORKERS,
            .speed_ppm = (uint32_t)(exp(chance_normal(&chance) * SPEED_DEV) * 1e6),
            .leave_us = SIM_NEVER,
        };
        agents[i].startup_us = (uint64_t)(FLEET_STARTUP_US * 1e6 / agents[i].speed_ppm *
                                          exp(chance_normal(&start_chance) * STARTUP_DEV));
    }
}

static uint64_t first_us(const struct sim_input *in)
{
    uint64_t us = UINT64_MAX;

    for (uint32_t i = 0; i < in->agent_count; i++)
        if (in->agents[i].start_us < us)
            us = in->agents[i].start_us;
    return us;
}

/* When a worker of a machine that leaves has ended what it ran when it was told. */
static uint64_t ended_us(const struct sim_result *res, uint32_t agent, uint32_t worker,
                         uint64_t leave_us)
{
    uint64_t us = leave_us;

    for (uint32_t i = 0; res && i < res->span_count; i++) {
        const struct sim_span *s = &res->spans[i];

        if (s->agent == agent && s->worker == worker && s->end_us > us)
            us = s->end_us;
    }
    return us;
}

static uint64_t bound_of(const struct sim_input *in, const struct sim_result *res)
{
    struct bound_taker takers[FLEET_MAX * WORKERS];
    uint64_t us, zero_us = first_us(in);
    uint32_t n = 0;
    uint64_t *costs_us = mem_new(in->test_count + in->scope_count + 1, sizeof(*costs_us));

    memcpy(costs_us, in->actual_us, in->test_count * sizeof(*costs_us));
    memcpy(costs_us + in->test_count, in->actual_setup_us, in->scope_count * sizeof(*costs_us));
    for (uint32_t i = 0; i < in->agent_count; i++) {
        const struct sim_agent *a = &in->agents[i];

        for (uint32_t w = 0; w < a->workers && a->start_us < a->leave_us; w++) {
            takers[n++] = (struct bound_taker){ a->start_us - zero_us, 1, a->speed_ppm, 0 };
            if (a->leave_us != SIM_NEVER)
                takers[n - 1].gone_us = ended_us(res, i, w, a->leave_us) - zero_us;
        }
    }
    us = bound_us(costs_us, in->test_count + in->scope_count, takers, n);
    free(costs_us);
    return us;
}

uint64_t fleet_bound_us(const struct sim_input *in, const struct sim_result *res)
{
    return bound_of(in, res);
}

void fleet_trouble(const struct sim_input *in, struct sim_agent *agents)
{
    uint64_t half_us;

    agents[0].speed_ppm /= 2;
    agents[0].startup_us *= 2;
    for (uint32_t i = 0; i < HALF_STEPS; i++) {
        half_us = bound_of(in, NULL) / 2;
        agents[1].leave_us = first_us(in) + half_us;
    }
}

static int longest_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x < *y) - (*x > *y);
}

uint64_t fleet_foreseen_us(const struct sim_input *in)
{
    uint64_t *costs_us = mem_dup(in->actual_us, in->test_count * sizeof(*costs_us));
    uint64_t free_us[FLEET_MAX * WORKERS], last_us = 0;

    for (uint32_t k = 0; k < in->agent_count * WORKERS; k++)
        free_us[k] = in->agents[k / WORKERS].start_us + in->request_us;
    qsort(costs_us, in->test_count, sizeof(*costs_us), longest_first);
    for (uint32_t i = 0; i < in->test_count; i++) {
        uint64_t best_us = UINT64_MAX;
        uint32_t best = 0;

        for (uint32_t k = 0; k < in->agent_count * WORKERS; k++) {
            const struct sim_agent *a = &in->agents[k / WORKERS];
            uint64_t end_us =
                free_us[k] + (uint64_t)((wide_uint)costs_us[i] * 1000000 / a->speed_ppm);

            if (free_us[k] < a->leave_us && end_us < best_us) {
                best_us = end_us;
                best = k;
            }
        }
        free_us[best] = best_us;
        if (best_us > last_us)
            last_us = best_us;
    }
    free(costs_us);
    return last_us - first_us(in);
}
