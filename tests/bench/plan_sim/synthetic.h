/* synthetic.h - suites that are made up, to have set-ups of every shape: no recorded suite does. */
#pragma once

#include "trace.h"

#define SYNTHETIC_COUNT 6u

/* Shape 0 to SYNTHETIC_COUNT - 1; runs 1 and 2 differ by 10 % noise. */
struct trace *synthetic_new(uint32_t shape, uint64_t seed);
