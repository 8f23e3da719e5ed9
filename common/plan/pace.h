/* pace.h - how fast a machine gets through predicted work, from what it has run so far.
 *
 * A prediction may be off for all machines alike (another build, a busy cloud), for all tests of a
 * size (a record made under load stretches the short ones), for one machine (an older processor),
 * and for a while. A coordinator wants to know the third, apart from the first two: who should get
 * what is left. An agent wants the last: when it runs dry. */
#pragma once

#include "base.h"

/* The near past of one agent. */
struct pace {
    uint64_t predicted_us, took_us; /* sums over what has ended, what is older counts less */
    uint32_t told_ppm;              /* what is believed without them; 0: as predicted */
};

/* A test of a few times its prediction, or a fraction, counts as twice or half: it says more about
 * itself than about the machine. */
void pace_add(struct pace *pace, uint64_t predicted_us, uint64_t took_us);

/* Predicted work done per time, 1000000 = as predicted; little evidence counts little, beside what
 * the coordinator has told: it can compare machines. */
uint32_t pace_speed_ppm(const struct pace *pace);

#define PACE_CLASSES 24u

/* All machines of a run, and one of them. Logarithms, so that every test has the same say, however
 * long it is. */
struct pace_fleet {
    int64_t mean_log_ppm[PACE_CLASSES]; /* of took / predicted, by the predicted length */
    uint32_t count[PACE_CLASSES];
    uint64_t predicted_us, took_us;
};
struct pace_machine {
    int64_t mean_log_ppm; /* of took / what the fleet takes */
    uint32_t count;
};

/* What a machine took to start against what one takes by history: the first that is heard of its
 * speed, before any test. Once, before pace_learn; if either is 0 it says nothing. */
void pace_start(struct pace_machine *machine, uint64_t predicted_us, uint64_t took_us);

void pace_learn(struct pace_fleet *fleet, struct pace_machine *machine, uint64_t predicted_us,
                uint64_t took_us);

/* All machines alike, beyond what pace_machine_ppm has of it: that leans on history for long, since
 * what ends first need not be what most of the work is like; how soon they will be dry is told
 * better by what has ended lately. */
uint32_t pace_fleet_ppm(const struct pace_fleet *fleet);

/* As above, of a machine of this fleet. */
uint32_t pace_machine_ppm(const struct pace_fleet *fleet, const struct pace_machine *machine);
