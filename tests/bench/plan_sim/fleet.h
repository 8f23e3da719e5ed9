/* fleet.h - the machines of a simulated run: starts, speeds, trouble; and what they could do at
 * best. */
#pragma once

#include "plan/simulate.h"

#define FLEET_MAX        16u
#define FLEET_STARTUP_US 1000000u /* of an average machine; any other does as well */

/* Starts over an exponential 0.5 s, log-normal speeds of 10 %, two workers each. What a start took
 * tells of the speed, but for another 10 %: the times that the seven suites took to be collected,
 * recorded twice, differ by that (tests/data/traces). */
void fleet_make(struct sim_agent *agents, uint32_t count, uint64_t seed);

/* The first machine of half its speed; the second is told to go when half of the time is over that
 * the run then needs at least. in->agents is agents. */
void fleet_trouble(const struct sim_input *in, struct sim_agent *agents);

/* The lower bound of what then happened: every test and every scope once, on every machine from its
 * start until it is told to go, or has ended what it ran then. From the first start on. */
uint64_t fleet_bound_us(const struct sim_input *in, const struct sim_result *res);

/* What somebody would need who knows all durations, speeds, starts and ends, and waits for one
 * request: the longest test goes where it ends first. No bound: a schedule, without set-ups. */
uint64_t fleet_foreseen_us(const struct sim_input *in);
