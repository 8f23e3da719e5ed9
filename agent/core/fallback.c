#include "fallback.h"

#include <string.h>

size_t fallback_rows(struct fallback *f, struct cfg_option *rows)
{
    const struct cfg_option table[] = {
        { .section = "When the coordinator is not reached",
          .name = "fallback",
          .env = "MAKESPAN_FALLBACK",
          .kind = CFG_FLAG,
          .into = &f->wanted,
          .help = "If the coordinator is not reached at all, run this machine's share of a static "
                  "split, and exit with 74 when it passes: its results were not delivered. Needs "
                  "--index and --total; never in a second attempt." },
        { .name = "allow-offline",
          .env = "MAKESPAN_ALLOW_OFFLINE",
          .kind = CFG_FLAG,
          .into = &f->allow_offline,
          .help = "With --fallback: exit with pytest's own status instead of 74. Nobody checks "
                  "then that the other shares ran." },
    };

    memcpy(rows, table, sizeof(table));
    return ARRAY_LEN(table);
}

enum err_code fallback_check(const struct fallback *f, const struct target *target, struct err *err)
{
    if (!target->url || (!f->wanted && !f->allow_offline))
        return ERR_NONE;
    if (!f->wanted)
        return err_set(err, ERR_USAGE, "--allow-offline says nothing without --fallback");
    if (!target->total || target->index == PROTO_SLOT_NONE)
        return err_set(err, ERR_USAGE,
                       "--fallback needs --index and --total: without them no share is this "
                       "machine's");
    return ERR_NONE;
}

const char *fallback_idle(const struct fallback *f, const struct target *target)
{
    if (target->url || (!f->wanted && !f->allow_offline))
        return NULL;
    return f->wanted ? "--fallback has no effect: no coordinator is given that could be away; set "
                       "MAKESPAN_URL, or pass --url"
                     : "--allow-offline has no effect: no coordinator is given; set MAKESPAN_URL, "
                       "or pass --url";
}

bool fallback_may(const struct fallback *f, const struct target *target, bool joined,
                  enum err_code code, const char **out_why)
{
    *out_why = NULL;
    if (!f->wanted || code != ERR_UNREACHABLE)
        return false;
    if (joined)
        *out_why = "no fallback after a join: the coordinator gave tests of this machine to others";
    else if (target->attempt > 1)
        *out_why = "no fallback in a second attempt: a share would pass over what failed in the "
                   "first";
    return !*out_why;
}

uint32_t fallback_exit(const struct fallback *f, const struct target *target, uint32_t runner,
                       const char **out_why)
{
    *out_why = NULL;
    if (runner != EXIT_OK)
        return runner;
    if (f->allow_offline && target->attempt == 1)
        return EXIT_OK;
    *out_why = f->allow_offline
                   ? "its tests passed, but --allow-offline counts in a first attempt only, and "
                     "MAKESPAN_ATTEMPT is not known"
                   : "its tests passed, but no coordinator has their results";
    return EXIT_UNDELIVERED;
}
