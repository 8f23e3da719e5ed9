/* access.h - the access log: a line for each request, when it was answered or its client left.
 *
 * Neither headers nor bodies nor queries are written, so no token can be; a path is cut where it is
 * longer than any of ours. Not for: what happens to runs (log.h). */
#pragma once

#include "http_server.h"
#include "log.h"

struct access_log;

/* Appends to a file (made 0640), or with "-" to standard error. */
MUST_USE enum err_code access_open(const char *path, enum log_form form, const struct clock *clock,
                                   struct access_log **out, struct err *err);
void access_close(struct access_log *log); /* NULL is fine */

/* The file may have been renamed: the next line goes to a file of the old name. */
MUST_USE enum err_code access_reopen(struct access_log *log, struct err *err);

/* A line that cannot be written, or not without waiting (a pipe that nobody drains), is lost, and
 * the request is none the worse. */
void access_note(struct access_log *log, const struct http_seen *seen);
