/* options.h - the options that subcommands share, and what they come to in this environment.
 *
 * An option beats its MAKESPAN_ variable, which beats what the CI says (ci.h). The token comes from
 * a file or from MAKESPAN_TOKEN, never from argv. */
#pragma once

#include "cfg.h"
#include "ci.h"
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

/* Who we are and whom we talk to: everything is known and owned. */
struct target {
    char *url;                       /* "https://host:port", no slash behind; NULL: on our own */
    char *token;                     /* secret */
    char *ca_file, *pin;             /* at most one; pin: "sha256//..." */
    char *project, *suite, *run_key; /* run_key NULL: not known */
    bool suite_given;                /* not the default */
    char *run_prefix;                /* of all runs of the CI's workflow run; NULL: no CI */
    char *instance;
    uint32_t index, total, attempt; /* as in struct join_request */
    struct label *labels;
    uint32_t label_count;
    uint64_t patience_ms;
    bool output_json;
    struct ci ci;
};

/* Resolves against the environment and reads the token's file. command_digest: hex SHA-256 of the
 * runner's command, NULL for commands that only read (then the run key comes from the option or is
 * NULL). Needs nothing when there is no url: that is a run on this machine alone. */
MUST_USE enum err_code options_resolve(const struct options *options, const char *command_digest,
                                       struct target *out, struct err *err);
void target_fini(struct target *target); /* wipes the token */

/* Digest of a runner's command: of its words. */
void options_command_digest(int argc, char *const *argv, char out[HASH_HEX_BYTES]);
