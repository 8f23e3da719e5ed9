/* json_text.h - a quoted JSON text written straight into a str, for documents too large to be built
 * as values (json.h). */
#pragma once

#include "str.h"

/* Appends text in quotes, pure ASCII: what Python's json.dumps gives. Bytes that are not UTF-8
 * become U+FFFD. */
MUST_USE enum err_code json_add_text(struct str *out, const char *text, struct err *err);
