#include "rerun.h"

#include <string.h>

/* pytest's exit status. */
enum status { STATUS_PASSED = 0, STATUS_FAILED = 1, STATUS_USAGE = 4, STATUS_NO_TESTS = 5 };

static enum rerun_what next(const struct rerun *rerun)
{
    return rerun->red && !rerun->no_failed ? RERUN_FAILED : RERUN_ALL;
}

enum rerun_what rerun_ended(struct rerun *rerun, enum rerun_what what, uint32_t status)
{
    if (status == STATUS_FAILED)
        rerun->red = true;
    if (status == STATUS_PASSED || status == STATUS_NO_TESTS) {
        rerun->red = false;
        return what == RERUN_FAILED ? RERUN_ALL : RERUN_NOTHING;
    }
    if (status == STATUS_USAGE && what == RERUN_FAILED) {
        rerun->no_failed = true; /* -p no:cacheprovider */
        return RERUN_ALL;
    }
    return RERUN_NOTHING; /* a file that cannot be imported changes nothing of what failed before */
}

enum rerun_what rerun_changed(struct rerun *rerun)
{
    rerun->chases = 0;
    return next(rerun);
}

enum rerun_what rerun_chase(struct rerun *rerun)
{
    if (rerun->chases >= RERUN_CHASES_MAX)
        return RERUN_NOTHING;
    rerun->chases++;
    return next(rerun);
}

bool rerun_counts(const char *path)
{
    static const char *const ends[] = { ".py", ".pyi", ".toml", ".ini", ".cfg" };
    size_t len = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t end = strlen(ends[i]);

        if (len > end && strcmp(path + len - end, ends[i]) == 0)
            return true;
    }
    return false;
}
