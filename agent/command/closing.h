/* closing.h - the last words of 'makespan run', on standard error: for people, or as one JSON
 * object.
 */
#pragma once

#include "supervise/supervise.h"

enum closing_mode {
    CLOSING_ALONE,    /* all tests on this machine */
    CLOSING_SPLIT,    /* its share of a static split */
    CLOSING_SHARED,   /* with others, through a coordinator */
    CLOSING_FALLBACK, /* a static share, since the coordinator was not reached */
};

void closing_text(enum closing_mode mode, const struct supervise_report *report);
void closing_json(enum closing_mode mode, const struct supervise_report *report);
