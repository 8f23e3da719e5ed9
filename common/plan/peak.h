/* peak.h - what a test or a worker will need of memory, from what it needed before. Pure.
 *
 * A maximum that fades: what is needed more counts at once, since too little room ends in the
 * kernel's hands; what is needed less is believed by an eighth a run. So a figure that swings about
 * a threshold stays on one side of it. Units are the caller's; 0 is "not known" everywhere. */
#pragma once

#include "base.h"

#define PEAK_HEAVY_MIB 64u /* tests that need less are not worth a plan */

uint64_t peak_learn(uint64_t before, uint64_t needed);
/* It was cut short: it needs so much at least. */
uint64_t peak_learn_least(uint64_t before, uint64_t least);
