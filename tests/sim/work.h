/* work.h - what a fake agent has in hand: its queue, its workers, and what it owes the coordinator.
 */
#pragma once

#include "sim.h"

/* Free workers start what may start; an event ends each test (agent_test_done). */
void work_start(struct world *w, uint32_t at);
/* The fixture around the last test of a worker is torn down. */
void work_settle(struct world *w, struct agent *a, uint32_t worker);
/* Somebody else was faster: what waits goes back, what runs ends with the fixture around it. */
bool work_abandon(struct agent *a, uint32_t test);
uint32_t work_free(const struct agent *a); /* workers with nothing to do */
bool work_is_idle(const struct agent *a);
/* Something waits to be told: results, tests given back or cut off, files with tests found late. */
bool work_owes(const struct agent *a);
