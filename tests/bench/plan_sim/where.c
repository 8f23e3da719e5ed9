#include "where.h"

#include <stdlib.h>

#include "mem.h"

void where_idle(const struct sim_input *in, const struct sim_result *res,
                double out_us[WHERE_PARTS])
{
    uint32_t *first_worker = mem_new(in->agent_count + 1, sizeof(*first_worker));
    uint64_t end_us = res->first_us + res->makespan_us, *free_us;
    double sums[WHERE_PARTS] = { 0 }, capacity = 0;
    bool *begun;

    for (uint32_t a = 0; a < in->agent_count; a++)
        first_worker[a + 1] = first_worker[a] + in->agents[a].workers;
    free_us = mem_new(first_worker[in->agent_count], sizeof(*free_us));
    begun = mem_new(first_worker[in->agent_count], sizeof(*begun));
    for (uint32_t a = 0; a < in->agent_count; a++)
        for (uint32_t w = 0; w < in->agents[a].workers; w++)
            free_us[first_worker[a] + w] = in->agents[a].start_us;
    for (uint32_t i = 0; i < res->span_count; i++) {
        const struct sim_span *s = &res->spans[i];
        uint32_t w = first_worker[s->agent] + s->worker;

        if (!s->counts)
            continue; /* it might as well have idled */
        sums[begun[w] ? WHERE_GAPS : WHERE_FIRST] +=
            (double)(s->start_us - free_us[w]) * in->agents[s->agent].speed_ppm;
        free_us[w] = s->end_us;
        begun[w] = true;
    }
    for (uint32_t a = 0; a < in->agent_count; a++)
        for (uint32_t w = 0; w < in->agents[a].workers; w++) {
            uint32_t k = first_worker[a] + w;
            uint64_t leave_us = in->agents[a].leave_us;
            uint64_t stop_us = leave_us < end_us ? leave_us : end_us;

            if (in->agents[a].start_us < stop_us)
                capacity += in->agents[a].speed_ppm;
            if (free_us[k] < stop_us)
                sums[begun[k] ? WHERE_TAIL : WHERE_FIRST] +=
                    (double)(stop_us - free_us[k]) * in->agents[a].speed_ppm;
        }
    for (uint32_t p = 0; p < WHERE_PARTS; p++)
        out_us[p] = sums[p] / capacity;
    free(first_worker);
    free(free_us);
    free(begun);
}
