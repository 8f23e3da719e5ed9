/* chance.h - random numbers that are the same in every run. */
#pragma once

#include "base.h"

double chance_uniform(uint64_t *state); /* in (0, 1) */
double chance_normal(uint64_t *state);  /* mean 0, deviation 1 */
