#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const code_names[] = {
#define X(code, name) [code] = name,
    ERR_CODES(X)
#undef X
};

void invariant_failed(const char *what, const char *file, int line)
{
    (void)fprintf(stderr, "makespan: invariant broken: %s (%s:%d)\n", what, file, line);
    abort();
}

enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    err->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof(err->text), fmt, ap); /* a text over the limit is cut */
    va_end(ap);
    return code;
}

enum err_code err_wrap(struct err *err, const char *fmt, ...)
{
    char inner[ERR_TEXT_BYTES];
    va_list ap;
    int used;

    memcpy(inner, err->text, sizeof(inner));
    va_start(ap, fmt);
    used = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (used >= 0 && (size_t)used < sizeof(err->text))
        (void)snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s", inner);
    return err->code;
}

enum err_code err_errno(struct err *err, int errnum, const char *fmt, ...)
{
    va_list ap;
    int used;

    err->code = errnum == ENOSPC || errnum == EDQUOT ? ERR_DISK_FULL : ERR_IO;
    va_start(ap, fmt);
    used = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (used >= 0 && (size_t)used < sizeof(err->text))
        (void)snprintf(err->text + used, sizeof(err->text) - (size_t)used, ": %s",
                       strerror(errnum));
    return err->code;
}

const char *err_name(enum err_code code)
{
    INVARIANT((size_t)code < ARRAY_LEN(code_names));
    return code_names[code];
}

enum err_code err_code_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(code_names); i++)
        if (strcmp(code_names[i], name) == 0)
            return (enum err_code)i;
    return ERR_INTERNAL;
}
