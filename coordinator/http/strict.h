/* strict.h - request framing that every proxy and server reads in the same way, or none at all.
 *
 * evhttp is lenient (two lengths, length and chunks together, no Host): what it accepted is checked
 * here again, and a request that fails is answered 400 and its connection closed, so that nothing
 * is smuggled behind it. Pure. */
#pragma once

#include <stdbool.h>

#include "str.h"

struct strict {
    unsigned major, minor;
    bool may_have_body; /* POST, PUT, PATCH */
    unsigned host_count, length_count, coding_count;
    const char *length; /* the last one seen, lent */
    const char *coding;
    bool bad_name; /* a name that is empty or holds white space */
};

void strict_header(struct strict *s, const char *name, const char *value);

/* ERR_MALFORMED with one sentence. */
MUST_USE enum err_code strict_check(const struct strict *s, struct err *err);
