/* suite.h - the shape of a manifest as the planner sees it: files, classes, groups, mutexes,
 * marks. Pure.
 *
 * Both levels plan over it: the coordinator over agents, an agent over its workers. Costs are not
 * part of the shape: they are 0 until the caller fills them in, by index. */
#pragma once

#include "manifest.h"
#include "pool.h"

/* Flags of a test whose file, or class (module, where it is in none), is one group; another group
 * that it is in does not count. */
#define SUITE_TOGETHER_FILE  "together=file"
#define SUITE_TOGETHER_SCOPE "together=scope"

struct suite_scope {
    struct view id;   /* "tests/a.py", "tests/a.py::TestA"; lent from the manifest */
    const char *kind; /* "module" or "class" */
};

struct suite {
    struct pool_test *tests;   /* as the manifest's; cost_us is the caller's to set */
    struct pool_scope *scopes; /* files and classes; setup_us is the caller's to set */
    struct suite_scope *names; /* of the scopes, by index */
    uint32_t test_count, scope_count, group_count, mutex_count;
};

/* Keeps pointers into the manifest, which must live as long. Marks it does not know are left to
 * others; a mark with a value out of range counts as absent. */
struct suite *suite_new(const struct manifest *manifest);
void suite_free(struct suite *suite); /* NULL is fine */

/* The scope of that kind and id ("module" "tests/a.py"), POOL_NONE when no test is in it. */
uint32_t suite_find_scope(const struct suite *suite, const char *kind, const char *id);
