#include "start.h"

#include <string.h>

const char *start_word(enum start_mode mode)
{
    switch (mode) {
    case START_FORK:
        return "fork";
    case START_EARLY:
        return "early";
    case START_SPAWN:
        return "spawn";
    }
    UNREACHABLE("start mode");
}

enum start_mode start_first(enum start_wish wish)
{
    switch (wish) {
    case START_AUTO:
    case START_WISH_FORK:
        return START_FORK;
    case START_WISH_EARLY:
        return START_EARLY;
    case START_WISH_SPAWN:
        return START_SPAWN;
    }
    UNREACHABLE("start wish");
}

enum err_code start_parse(const char *word, enum start_wish *out, struct err *err)
{
    static const struct {
        const char *word;
        enum start_wish wish;
    } words[] = { { "auto", START_AUTO },
                  { "fork", START_WISH_FORK },
                  { "early", START_WISH_EARLY },
                  { "spawn", START_WISH_SPAWN } };

    if (!word) {
        *out = START_AUTO;
        return ERR_NONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].wish;
            return ERR_NONE;
        }
    }
    return err_set(err, ERR_USAGE, "--start is fork, early, spawn or auto, not '%s'", word);
}
