/* shuffle.h - the same suite with other surprises: which test takes how many times what was
 * recorded is dealt anew among tests of about the same length. */
#pragma once

#include "trace.h"

/* Fills out_us, one a test, from the trace's second run. */
void shuffle(const struct trace *t, uint64_t seed, uint64_t *out_us);
