/* where.h - where the time of a run above its lower bound went: the run as plan/drift.h sees it. */
#pragma once

#include "core/model.h"

/* Every try that is known, accepted or not; when the last test is done. */
void where_time_went(const struct run *run, struct drift *out);
