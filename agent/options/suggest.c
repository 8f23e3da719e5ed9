#include "suggest.h"

#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Levenshtein's distance with one row of memory. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[SUGGEST_WORD_BYTES_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];

            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *suggest(const char *typed, const char *const *words, size_t count)
{
    size_t typed_len = strlen(typed);
    size_t best = SIZE_MAX;
    const char *found = NULL;

    if (typed_len == 0 || typed_len > SUGGEST_WORD_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(words[i]);
        size_t d;

        INVARIANT(len <= SUGGEST_WORD_BYTES_MAX);
        d = distance(typed, typed_len, words[i], len);
        if (d < best && d <= (len + 3) / 3) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
