/* where.h - where a simulated run's time above the bound went. */
#pragma once

#include "plan/simulate.h"

enum where_part {
    WHERE_FIRST, /* a worker's wait for its first test */
    WHERE_GAPS,  /* its waits between tests */
    WHERE_TAIL,  /* after its last test */
};
#define WHERE_PARTS 3

/* Idle time of all workers, each weighed by its speed, divided by the speed of all: so much longer
 * did the run take than its work divided at will. */
void where_idle(const struct sim_input *in, const struct sim_result *res,
                double out_us[WHERE_PARTS]);
