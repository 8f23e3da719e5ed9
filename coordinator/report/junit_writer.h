/* junit_writer.h - elements, attributes and texts of JUnit XML; what pytest makes visible is made
 * visible.
 *
 * Nothing here returns an error: the first one is kept, what follows is not written, and
 * junit_close tells of it. So a report reads like what it writes. */
#pragma once

#include "str.h"

struct junit;

/* Writes to out, piece by piece. out and err must outlive it. */
struct junit *junit_open(struct str *out, struct err *err);
/* Ends the document, lets go of it, and returns the first error there was. */
MUST_USE enum err_code junit_close(struct junit *j);
/* There was an error: nothing more is worth writing. */
bool junit_failed(const struct junit *j);
/* Where the caller tells of an error of its own; junit_fail then makes it that of the report,
 * unless there was one. */
struct err *junit_err(struct junit *j);
void junit_fail(struct junit *j, enum err_code rc);
/* A large report is in memory once: call this after each part of it. */
void junit_flush(struct junit *j);

void junit_begin(struct junit *j, const char *element);
void junit_end(struct junit *j);
void junit_attribute(struct junit *j, const char *name, const char *value);
void junit_attribute_u32(struct junit *j, const char *name, uint32_t value);
void junit_attribute_us(struct junit *j, const char *name, uint64_t us); /* seconds, 3 decimals */
void junit_body(struct junit *j, const char *text);
void junit_property(struct junit *j, const char *name, const char *value);
