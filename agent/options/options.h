/* options.h - the options that subcommands share, as they were given. Not for: what they come to in
 * this environment (target.h). */
#pragma once

#include "cfg.h"
#include "hash.h"
#include "proto.h"

#define OPTIONS_ROWS_MAX 16u

enum options_group {
    OPTIONS_SERVER = 1, /* url, token-file, ca: who answers */
    OPTIONS_RUN = 2,    /* project, suite, run-key */
    OPTIONS_SLOT = 4,   /* index, total, attempt, instance, label, patience */
    OPTIONS_OUTPUT = 8, /* output */
};

/* As given; begin with OPTIONS_INIT. */
struct options {
    const char *url, *token_file, *ca;
    const char *project, *suite, *run_key;
    const char *instance;
    uint32_t index, total, attempt;
    struct cfg_list labels; /* KEY=VALUE */
    uint64_t patience_ms;   /* how long an unreachable coordinator is waited for */
    const char *output;     /* "text" or "json" */
};

#define OPTIONS_INIT                                                                               \
    {                                                                                              \
        .index = PROTO_SLOT_NONE, .patience_ms = 120000, .output = "text"                          \
    }

/* Writes the rows of the groups asked for to rows (room for OPTIONS_ROWS_MAX); returns how many. */
size_t options_rows(struct options *options, unsigned groups, struct cfg_option *rows);
void options_fini(struct options *options);

/* Digest of a runner's command: of its words. */
void options_command_digest(int argc, char *const *argv, char out[HASH_HEX_BYTES]);
