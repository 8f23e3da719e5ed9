/* sim: many worlds, one after another. Without arguments a quick round; "sim FIRST COUNT" for more;
 * "sim SEED 1 -v" shows what the coordinator logs. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "sim.h"

#define QUICK_WORLDS 600u

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
    return 0;
}
