/* junit_text.h - how pytest writes names and texts into JUnit XML. Pure. */
#pragma once

#include "str.h"

/* Appends text with what XML forbids made visible, as pytest does: "#x1B" for an escape character.
 * Characters above U+FFFF become "#x1F600" as well, and a byte that is not UTF-8 its own number. */
MUST_USE enum err_code junit_add_text(struct str *out, const char *text, struct err *err);

/* Class name and name of a test by its id: "tests/a.py::T::t[x]" gives "tests.a.T" and "t[x]". */
MUST_USE enum err_code junit_add_names(const char *id, struct str *classname, struct str *name,
                                       struct err *err);
