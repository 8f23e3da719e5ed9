/* report.h - the merged report of a run, from all agents, as text: JUnit XML and JSON.
 *
 * Written from the run as it stands: a report asked for before the end holds what is known so far.
 * Both append to out and fail with ERR_TOO_LARGE at its cap. docs/reports.md describes what they
 * hold. Not for: deciding (core/ledger.h gives verdict and counts), files, HTTP. */
#pragma once

#include "core/model.h"

/* What pytest --junitxml would write (family xunit2) had one machine run everything, and run-level
 * errors as test cases of the class "makespan". Tests stand in collection order. */
MUST_USE enum err_code report_junit(const struct run *run, struct str *out, struct err *err);

MUST_USE enum err_code report_json(const struct run *run, struct str *out, struct err *err);
