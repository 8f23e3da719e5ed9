/* sim: many worlds, one after another. Without arguments a quick round; "sim FIRST COUNT" for more;
 * "sim SEED 1 -v" shows what the coordinator logs. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "sim.h"

#define QUICK_WORLDS 600u

static bool show_seen(void)
{
    const struct {
        const char *what;
        uint64_t count;
        bool rare; /* once in thousands of worlds */
    } rows[] = {
        { "recalls", sim_seen.recalled, false },
        { "agents sent home before the end", sim_seen.sent_home, false },
        { "observations", sim_seen.observed, false },
        { "provisional results taken back", sim_seen.voided, false },
        { "late results adopted at the end", sim_seen.adopted, true },
        { "agents that came when all was done", sim_seen.late, false },
        { "narrow epochs", sim_seen.narrow, false },
        { "narrow epochs that were widened", sim_seen.widened, false },
        { "other collections", sim_seen.differs, false },
        { "copies of tests that ran", sim_seen.copies, false },
        { "copies that ended first", sim_seen.copies_won, false },
        { "tries abandoned", sim_seen.abandoned, false },
        { "agents that ended tests as nobody answered", sim_seen.cut_off, false },
        { "tests found after the seal", sim_seen.found, false },
        { "such by who could not be given them", sim_seen.found_free, false },
        { "agents that joined again", sim_seen.again, false },
        { "drains", sim_seen.drained, false },
        { "recalls of what was begun", sim_seen.kept, true },
        { "sessions lost", sim_seen.expired, false },
    };
    bool all = true;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        (void)printf("  %8llu %s\n", (unsigned long long)rows[i].count, rows[i].what);
        all = all && (rows[i].count > 0 || rows[i].rare);
    }
    return all;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    uint64_t first = 1;
    uint64_t count = QUICK_WORLDS;
    uint64_t steps = 0;

    if ((argc > 1 && parse_u64(argv[1], 0, UINT64_MAX / 2, &first, &err)) ||
        (argc > 2 && parse_u64(argv[2], 1, UINT64_MAX / 2, &count, &err))) {
        (void)fprintf(stderr, "sim: %s\n", err.text);
        return 2;
    }
    log_setup(argc > 3 ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
    for (uint64_t seed = first; seed < first + count; seed++)
        steps += sim_world(seed);
    (void)printf("sim: %llu worlds, %llu events, every promise held\n", (unsigned long long)count,
                 (unsigned long long)steps);
    if (!show_seen() && count >= QUICK_WORLDS) {
        (void)fprintf(stderr, "sim: so many worlds and something never happened\n");
        return 1;
    }
    return 0;
}
