#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "proto.h"

#define PATIENCE_MS_MAX 86400000u

static size_t server_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Coordinator",
          .name = "url",
          .env = "MAKESPAN_URL",
          .value = "URL",
          .kind = CFG_TEXT,
          .into = &o->url,
          .help = "Where the coordinator answers, https://HOST[:PORT]." },
        { .name = "token-file",
          .env = "MAKESPAN_TOKEN_FILE",
          .value = "FILE",
          .kind = CFG_TEXT,
          .into = &o->token_file,
          .help = "File that holds the project's token. Without it the token is taken from the "
                  "variable MAKESPAN_TOKEN; it is never given as an argument." },
        { .name = "ca",
          .env = "MAKESPAN_CA",
          .value = "FILE|PIN",
          .kind = CFG_TEXT,
          .into = &o->ca,
          .help = "What proves the coordinator's identity instead of the system's authorities: a "
                  "file with certificates, or a public key as sha256//BASE64." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t run_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "The run",
          .name = "project",
          .env = "MAKESPAN_PROJECT",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->project,
          .help = "The project; the CI's repository when not given, 'default' outside of a CI." },
        { .name = "suite",
          .env = "MAKESPAN_SUITE",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->suite,
          .help = "The set of tests with a history of its own, for example unit-py311; 'default' "
                  "when not given." },
        { .name = "run-key",
          .env = "MAKESPAN_RUN_KEY",
          .value = "KEY",
          .kind = CFG_TEXT,
          .into = &o->run_key,
          .help = "The name under which the machines of one run meet; made from the CI's "
                  "variables when not given." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t slot_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "This job",
          .name = "index",
          .env = "MAKESPAN_INDEX",
          .value = "I",
          .kind = CFG_U32,
          .into = &o->index,
          .max = PROTO_SLOTS_MAX - 1,
          .help = "Which of the parallel jobs this is, from 0." },
        { .name = "total",
          .env = "MAKESPAN_TOTAL",
          .value = "N",
          .kind = CFG_U32,
          .into = &o->total,
          .min = 1,
          .max = PROTO_SLOTS_MAX,
          .help = "How many parallel jobs there are." },
        { .name = "attempt",
          .env = "MAKESPAN_ATTEMPT",
          .value = "N",
          .kind = CFG_U32,
          .into = &o->attempt,
          .min = 1,
          .max = 1000000,
          .help = "Which try of the CI's run this is, from 1." },
        { .name = "instance",
          .env = "MAKESPAN_INSTANCE",
          .value = "NAME",
          .kind = CFG_TEXT,
          .into = &o->instance,
          .help = "What tells this life of the job from another; the CI's id of the job when not "
                  "given." },
        { .name = "label",
          .env = "MAKESPAN_LABEL",
          .value = "KEY=VALUE",
          .kind = CFG_LIST,
          .into = &o->labels,
          .help = "Something to know about this machine; may be repeated." },
        { .name = "patience",
          .env = "MAKESPAN_PATIENCE",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &o->patience_ms,
          .max = PATIENCE_MS_MAX,
          .help = "How long an unreachable coordinator is waited for (default 120s)." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

static size_t output_rows(struct options *o, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "Output",
          .name = "output",
          .env = "MAKESPAN_OUTPUT",
          .value = "FORM",
          .kind = CFG_TEXT,
          .into = &o->output,
          .help = "text (default) or json." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

size_t options_rows(struct options *o, unsigned groups, struct cfg_option *rows)
{
    size_t n = 0;

    if (groups & OPTIONS_SERVER)
        n += server_rows(o, rows + n);
    if (groups & OPTIONS_RUN)
        n += run_rows(o, rows + n);
    if (groups & OPTIONS_SLOT)
        n += slot_rows(o, rows + n);
    if (groups & OPTIONS_OUTPUT)
        n += output_rows(o, rows + n);
    INVARIANT(n <= OPTIONS_ROWS_MAX);
    return n;
}

void options_fini(struct options *o)
{
    free(o->labels.items);
    *o = (struct options)OPTIONS_INIT;
}

void options_command_digest(int argc, char *const *argv, char out[HASH_HEX_BYTES])
{
    struct hash *h = hash_new();

    for (int i = 0; i < argc; i++)
        hash_add(h, argv[i], strlen(argv[i]) + 1);
    hash_end(h, out);
}
