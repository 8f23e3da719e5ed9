/* pace.h - how fast a machine gets through predicted work, from what it has run so far.
 *
 * A prediction may be off for all machines alike (another build, a busy cloud), for one (an older
 * processor), and for a while (what is predicted to be long mostly turns out shorter, and is run
 * first). An agent needs the last to know when it runs dry; a coordinator the first two, to know
 * who should get the rest. */
#pragma once

#include "base.h"

struct pace {
    uint64_t predicted_us, took_us; /* sums over what has ended */
    uint64_t window_us;             /* what is older counts half, and half again */
    uint64_t evidence_us;           /* so much work weighs as much as what is believed without */
};

#define PACE_OF_AGENT                                                                              \
    {                                                                                              \
        .window_us = 100000, .evidence_us = 200000                                                 \
    }
#define PACE_OF_FLEET                                                                              \
    {                                                                                              \
        .window_us = UINT64_MAX, .evidence_us = 20000000                                           \
    }

/* A test of a few times its prediction, or a fraction, counts as twice or half: it says more about
 * itself than about the machine. */
void pace_add(struct pace *pace, uint64_t predicted_us, uint64_t took_us);

/* Predicted work done per time, 1000000 = as predicted. Little evidence counts little: own leans on
 * all (every machine's; NULL for none), and that on 1. */
uint32_t pace_speed_ppm(const struct pace *own, const struct pace *all);
