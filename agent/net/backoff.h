/* backoff.h - whether a request is worth another try, and when. Pure: time and chance are numbers.
 */
#pragma once

#include <stdbool.h>

#include "err.h"

#define BACKOFF_FIRST_MS     250u
#define BACKOFF_MAX_MS       2000u /* a session lives 10 s: a short outage must not outlast it */
#define BACKOFF_ASKED_MAX_MS 5000u /* of what the other side asks for */

/* Whether trying the same request again may help: the other side or the way there is in trouble,
 * not the request. Times out and lost answers included, as every request may arrive twice. */
bool backoff_retryable(enum err_code code);

/* Milliseconds to wait before the next try when tries (at least 1) have failed: doubling from
 * BACKOFF_FIRST_MS to BACKOFF_MAX_MS, and of that between half and all, as chance (any number)
 * says, so that agents that failed together do not come back together. At least asked_ms (what the
 * other side wished), of which BACKOFF_ASKED_MAX_MS count. */
uint32_t backoff_ms(uint32_t tries, uint64_t chance, uint32_t asked_ms);

/* Whether a wait of wait_ms from now_ms still lies within the patience that began at since_ms. */
bool backoff_within(uint64_t since_ms, uint64_t now_ms, uint64_t wait_ms, uint64_t patience_ms);
