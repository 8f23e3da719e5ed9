#include "plan/peak.h"

#define FADE_PARTS 8u

uint64_t peak_learn(uint64_t before, uint64_t needed)
{
    uint64_t fade = before / FADE_PARTS + (before % FADE_PARTS > 0); /* small ones fade, too */

    if (needed == 0)
        return before;
    return peak_learn_least(before - fade, needed);
}

uint64_t peak_learn_least(uint64_t before, uint64_t least)
{
    return least > before ? least : before;
}
