/* fixlog.h - natural logarithm and its inverse in whole millionths, the same on every machine. */
#pragma once

#include "base.h"

/* ln(v) * 10^6, rounded to nearest; v of 0 counts as 1. */
int64_t fixlog_ppm(uint64_t v);

/* e^(log / 10^6), rounded to nearest; at least 1, at most 2^62. */
uint64_t fixlog_exp(int64_t log_ppm);
