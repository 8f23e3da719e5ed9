/* reading.h - what the commands that only ask have in common: options, target, run, output. */
#pragma once

#include "net/ask.h"
#include "options/target.h"

struct reading {
    struct options options;
    struct target target;
    struct ask *ask;
    struct cfg_list words;
    int rest;  /* index of the first word after "--", argc when there is none */
    char *run; /* "" before reading_find_run */
    bool help; /* --help was asked for and given: do nothing */
};

struct reading_opts {
    const char *usage, *about, *tail;
    unsigned groups; /* of options.h */
    const struct cfg_option *own;
    size_t own_count;
    bool words; /* takes words that are no options */
    bool rest;  /* takes words after "--" */
    bool alone; /* has something to tell without a coordinator, too: then ask stays NULL */
};

/* Parses, resolves and opens. End with reading_fini, whatever it returned. */
MUST_USE enum err_code reading_open(struct reading *r, const struct reading_opts *opts, int argc,
                                    char *const *argv, struct err *err);
MUST_USE enum err_code reading_find_run(struct reading *r, struct err *err);
void reading_fini(struct reading *r);

/* GET /v1/runs/<run><what>. */
MUST_USE enum err_code reading_get(struct reading *r, const char *what, uint32_t timeout_ms,
                                   struct str *out, struct err *err);

/* GET /v1/projects/<project>/suites/<suite><what>; for durations.c also the path alone. */
MUST_USE enum err_code reading_suite_path(const struct target *target, const char *what,
                                          struct str *out, struct err *err);
MUST_USE enum err_code reading_get_suite(struct ask *ask, const struct target *target,
                                         const char *what, struct str *out, struct err *err);

/* Writes to a file, or to standard output for NULL and "-". */
MUST_USE enum err_code reading_write(const char *path, const char *bytes, size_t len,
                                     struct err *err);

#define READING_ANSWER_BYTES (256u << 20)
