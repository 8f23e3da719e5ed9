/* verdict_text.h - a verdict as people read it. */
#pragma once

#include "proto.h"

/* Some lines, each with a line feed: the sentence, the counts, what is wrong with the run itself,
 * the difference between collections. Appends. */
MUST_USE enum err_code verdict_text(const struct verdict_answer *verdict, struct str *out,
                                    struct err *err);
