/* paid.h - what the fixtures of files and classes cost in this run, and how many workers paid.
 * Pure. */
#pragma once

#include "plan/suite.h"

struct paid;

struct paid *paid_new(const struct suite *suite); /* lent until free */
void paid_free(struct paid *paid);                /* NULL is fine */
/* The suite has become this one, which begins with the same scopes. */
void paid_grow(struct paid *paid, const struct suite *suite);

/* A fixture of that scope was set up or torn down. Scopes wider than a file count for all. */
void paid_add(struct paid *paid, const char *kind, const char *id, uint64_t us);

/* A worker has run a test: it is one of those that paid for the test's scopes. */
void paid_ran(struct paid *paid, uint32_t test, uint32_t worker);

/* What one worker pays on entering a scope of the suite; 0 when that is not known. */
uint64_t paid_entry_us(const struct paid *paid, uint32_t scope);

/* What had to be paid at least: every scope once, and what is wider than a file as it was. */
uint64_t paid_least_us(const struct paid *paid);
