/* ci.h - what the environment tells about the CI job we are in. Pure: a function of the variables.
 *
 * Knows GitHub Actions, GitLab, Buildkite, CircleCI, Jenkins, Azure Pipelines. Not for: MAKESPAN_*
 * variables and options, which beat all of this (options.h). */
#pragma once

#include "proto.h"

/* Looks a variable up; NULL when unset. */
typedef const char *(*ci_lookup_fn)(void *ctx, const char *name);

struct ci {
    const char *name; /* "github", ... ; NULL: no CI that we know */
    /* All owned; NULL when the CI does not tell. */
    char *project;  /* owner and repository */
    char *run;      /* the workflow run or pipeline, the same in all its jobs and retries */
    char *job;      /* the job, the same in all its parallel copies */
    char *step;     /* the step in the job */
    char *instance; /* this life of this copy; another one in a retry */
    char *ref, *sha, *event, *link;
    uint32_t attempt; /* from 1; 0: unknown */
    uint32_t index;   /* from 0; PROTO_SLOT_NONE: unknown */
    uint32_t total;   /* 0: unknown */
};

/* Numbers that make no sense (index not under total) count as unknown. */
void ci_read(ci_lookup_fn lookup, void *ctx, struct ci *out);
void ci_fini(struct ci *ci);

/* "name/run/" - what the keys of all runs of this workflow run begin with; NULL outside of a CI. */
char *ci_run_prefix(const struct ci *ci);

/* The key under which the copies of this job meet: prefix, job, step, suite, 12 digits of the
 * command's digest. The attempt is not part of it. NULL outside of a CI. */
char *ci_run_key(const struct ci *ci, const char *suite, const char *command_digest);
