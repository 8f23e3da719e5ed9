/* suggest.h - the known word nearest to a mistyped one. Pure. */
#pragma once

#include "str.h"

#define SUGGEST_WORD_BYTES_MAX 64u /* longer ones are compared with nothing */

struct suggestion {
    const char *word; /* the nearest so far; NULL if none is near */
    size_t changes;   /* letters inserted, removed or replaced to get there */
};

/* Takes the word if it is nearer than what was found before, and no further away than a typing
 * mistake is: two letters, and about a third of the shorter word. Begin with {0}. */
void suggest(struct suggestion *found, struct view typed, const char *word);
