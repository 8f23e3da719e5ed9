/* schema.h - how the database came to its present form: numbered steps, applied once, in order.
 *
 * A step that was released is never edited; a change is a further step. The number of the last one
 * applied stands in the setting "schema". Each database has its own column of texts. */
#pragma once

#include "base.h"

#define SCHEMA_SETTING "schema"

struct schema_step {
    uint32_t number; /* from 1, without a gap */
    const char *what;
    const char *sqlite;
};

const struct schema_step *schema_steps(size_t *out_count);
