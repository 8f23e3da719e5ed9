/* target.h - what the options come to in this environment: who we are and whom we talk to.
 *
 * An option beats its MAKESPAN_ variable, which beats what the CI says (ci.h). The token comes from
 * a file or from MAKESPAN_TOKEN, never from argv. */
#pragma once

#include "ci.h"
#include "options.h"

/* Everything is known and owned. */
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
MUST_USE enum err_code target_resolve(const struct options *options, const char *command_digest,
                                      struct target *out, struct err *err);
void target_fini(struct target *target); /* wipes the token */
