/* start.h - how workers come to be: forked from one collection, forked early, or started afresh.
 *
 * A fork after the collection is the cheapest by far, and wrong where the collecting process holds
 * what a fork loses or would share. Pure: what was wished and found in, the way and a sentence for
 * people out. Not for: finding it (the Python side) or doing it (supervise_start). */
#pragma once

#include "err.h"

enum start_wish { START_AUTO, START_WISH_FORK, START_WISH_EARLY, START_WISH_SPAWN };

enum start_mode {
    START_FORK,  /* workers are forks of the process that has collected */
    START_EARLY, /* forks from before pytest_configure; each collects for itself */
    START_SPAWN, /* the user's command once more for each worker */
};

/* "fork", "early", "spawn". */
const char *start_word(enum start_mode mode);

/* The way to begin with, before anything is known. */
enum start_mode start_first(enum start_wish wish);

/* One of those or "auto"; NULL is auto. ERR_USAGE otherwise. */
MUST_USE enum err_code start_parse(const char *word, enum start_wish *out, struct err *err);
