#include "suggest.h"

#include <string.h>

#define CHANGES_MAX 2u

/* Levenshtein's distance with one row of memory. */
static size_t distance(struct view a, struct view b)
{
    size_t row[SUGGEST_WORD_BYTES_MAX + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.at[i - 1] != b.at[j - 1]);

            diagonal = row[j];
            row[j] = min_size(replaced, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

void suggest(struct suggestion *found, struct view typed, const char *word)
{
    struct view known = view_of(word);
    size_t changes;

    if (typed.len == 0 || typed.len > SUGGEST_WORD_BYTES_MAX || known.len > SUGGEST_WORD_BYTES_MAX)
        return;
    changes = distance(typed, known);
    if (changes > min_size(CHANGES_MAX, (min_size(typed.len, known.len) + 3) / 3))
        return;
    if (!found->word || changes < found->changes)
        *found = (struct suggestion){ .word = word, .changes = changes };
}
