/* start.h - how workers come to be: forked from one collection, forked early, or started afresh.
 *
 * A fork after the collection is the cheapest by far, and wrong where the collecting process holds
 * what a fork loses or would share. Pure: what was wished and found in, the way and a sentence for
 * people out. Not for: finding it (the Python side) or doing it (supervise/start). */
#pragma once

#include <stdbool.h>

#include "err.h"

enum start_wish { START_AUTO, START_WISH_FORK, START_WISH_EARLY, START_WISH_SPAWN };

enum start_mode {
    START_FORK,  /* workers are forks of the process that has collected */
    START_EARLY, /* forks from before pytest_configure; each collects for itself */
    START_SPAWN, /* the user's command once more for each worker */
};

/* "fork", "early", "spawn". */
const char *start_word(enum start_mode mode);

/* What a process holds that forks of it would lose or share: texts for people, NULL for nothing. */
struct start_facts {
    char *threads;  /* would not exist in a fork */
    char *files;    /* sockets, event loops, files open for writing: would be shared */
    char *modules;  /* would not work */
    char *identity; /* who has asked which worker this is: another in each */
};
#define START_FACT_BYTES_MAX 2048u
void start_facts_fini(struct start_facts *facts);
bool start_is_safe(const struct start_facts *facts);

enum start_when {
    START_BEFORE_CONFIGURE, /* facts of the process that everything is forked from */
    START_AFTER_COLLECTION, /* facts of the one that has collected */
};

#define START_WHY_BYTES 9000u

struct start_choice {
    enum start_mode mode;
    char why[START_WHY_BYTES]; /* a sentence for people; "" when there is nothing to say */
};

/* A start goes back only as far as it must: what was found after the collection was not there
 * before pytest was configured. A mode that was asked for stands, with a warning. */
void start_choose(enum start_wish wish, enum start_when when, const struct start_facts *facts,
                  struct start_choice *out);

/* One of those or "auto"; NULL is auto. ERR_USAGE otherwise. */
MUST_USE enum err_code start_parse(const char *word, enum start_wish *out, struct err *err);
