/* inject.h - from the command that the user typed to the command and environment to run: the same,
 * with our plugin in pytest. Pure: nothing here looks at the machine.
 *
 * 'pytest ...' and 'python ... -m pytest ...' get '-p _makespan' as pytest's first arguments. For
 * anything else (uv run, poetry run, tox, a script) it goes in front of PYTEST_ADDOPTS. A private
 * folder goes in front of PYTHONPATH. The plugin's first act is to undo all that, from
 * _MAKESPAN_RESTORE. */
#pragma once

#include "str.h"

#define INJECT_WORDS_MAX       100000u
#define INJECT_ENV_BYTES_MAX   (8u << 20)
#define INJECT_VALUE_BYTES_MAX (1u << 20)

struct inject_input {
    char *const *argv; /* at least one word */
    char *const *env;
    const char *folder; /* holds _makespan's Python files */
    const char *socket;
    const char *key;
    const char *junit; /* absolute path for --junitxml, or NULL */
    bool last_failed;  /* pytest's --lf */
    bool has_seed;
    uint64_t seed; /* for PYTHONHASHSEED, unless the user fixed it */
};

enum inject_way {
    INJECT_ARGUMENTS, /* into pytest's own arguments */
    INJECT_ADDOPTS,   /* through PYTEST_ADDOPTS */
};

struct injection {
    enum inject_way way;
    char **argv; /* NULL-terminated, the struct's own */
    char **env;
};

/* ERR_USAGE for a Python that is told to ignore its environment (-E, -I). */
MUST_USE enum err_code inject(const struct inject_input *in, struct injection *out,
                              struct err *err);
void injection_fini(struct injection *injection);

/* Position of pytest's first own argument in argv, or 0 when argv does not name pytest plainly.
 * ERR_USAGE as above. */
MUST_USE enum err_code inject_find_pytest(char *const *argv, uint32_t *out_first, struct err *err);
