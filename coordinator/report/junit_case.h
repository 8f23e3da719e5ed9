/* junit_case.h - which cases of JUnit XML a test comes to, counted and written. */
#pragma once

#include "core/model.h"
#include "report/junit_writer.h"

/* How many cases of which kind: the numbers stand before the cases. */
struct junit_tally {
    uint32_t cases, errors, failures, skipped;
};

/* A test that has not run has no case while it may still run, and an error once the run is final.
 * One whose teardown failed later has an error in its case, or a case more behind a failure, as in
 * pytest. */
void junit_count_test(struct junit_tally *tally, const struct run *run, uint32_t test);
void junit_add_test(struct junit *j, const struct run *run, uint32_t test);

/* What was skipped whole while it was collected, as pytest shows it: a case that is no test. */
void junit_add_skip(struct junit *j, const char *id, const char *text);
/* What belongs to no test and makes a run red: an error of the class "makespan". Its name is the
 * message where that is NULL or empty; text may be NULL. */
void junit_add_error(struct junit *j, const char *name, const char *message, const char *text);
