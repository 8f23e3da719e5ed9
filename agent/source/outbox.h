/* outbox.h - numbered request bodies that were not acknowledged yet, oldest first.
 *
 * In memory while the coordinator answers; spilled to files while it does not, so that a long
 * outage costs disk and what was measured is not lost with the process. Not for: sending. */
#pragma once

#include "str.h"

#define OUTBOX_DAYS_KEPT 7

struct outbox;

/* Files go to a folder of this name below the user's state folder (XDG), made when first needed;
 * what other sessions left there more than OUTBOX_DAYS_KEPT days before is removed then. */
struct outbox *outbox_new(const char *name);

/* Forgets what is in memory. Files stay when any body was not acknowledged; else the folder goes.
 */
void outbox_free(struct outbox *o);

/* Numbers grow. body is given away. */
void outbox_add(struct outbox *o, uint64_t number, char *take_body);

size_t outbox_count(const struct outbox *o);

/* The oldest body, read back when it was spilled; a copy for the caller. The outbox is not empty.
 */
MUST_USE enum err_code outbox_first(const struct outbox *o, uint64_t *out_number, char **out_body,
                                    struct err *err);

/* Everything up to this number is acknowledged. */
void outbox_acknowledge(struct outbox *o, uint64_t number);

/* Writes all that is in memory to files and frees it. What cannot be written stays in memory. */
MUST_USE enum err_code outbox_spill(struct outbox *o, struct err *err);

/* Where the files are, NULL when there are none. */
const char *outbox_folder(const struct outbox *o);
