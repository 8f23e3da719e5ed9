/* base.h - what every file may use: attributes, array length, a least size, checked invariants.
 *
 * GNU extensions are allowed here and nowhere else. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* For products of two 64-bit numbers that are divided again. */
__extension__ typedef unsigned __int128 wide_uint;

/* A statement about our own code, checked in release builds too. Input is never checked with it. */
#define INVARIANT(cond)                                                                            \
    do {                                                                                           \
        if (!(cond))                                                                               \
            invariant_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

/* Ends a switch over an enum that handles every member. */
#define UNREACHABLE(what) invariant_failed("unreachable: " what, __FILE__, __LINE__)

/* Prints the broken invariant to standard error and aborts. */
NORETURN void invariant_failed(const char *what, const char *file, int line);
