/* ignore.h - which files and folders a watch does not look at. Pure.
 *
 * What version control, Python and editors leave beside the sources, and what the .gitignore at the
 * root names, in git's own way as far as it is common: names, paths with a slash, a leading or a
 * trailing one, "!", "**". Not for: .gitignore files further down, or the user's global one. */
#pragma once

#include "str.h"

#define IGNORE_RULES_MAX      1000u
#define IGNORE_RULE_BYTES_MAX 512u
#define IGNORE_STARS_MAX      8u /* in one rule; a match may try as many ways as there are */

struct ignore;

struct ignore *ignore_new(void);
void ignore_free(struct ignore *ignore); /* NULL is fine */

/* Adds the lines of a .gitignore. Those over a limit are passed over: more is watched then. */
void ignore_add(struct ignore *ignore, const char *text, size_t len);

enum ignore_kind { IGNORE_FILE, IGNORE_FOLDER };

/* path: relative to the root, no folder above it is ignored. */
bool ignore_has(const struct ignore *ignore, const char *path, enum ignore_kind kind);
