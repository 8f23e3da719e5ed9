/* lease.h - how long a session lives: until its deadline, which every request moves.
 *
 * Deadlines are monotonic and in memory only; that a session died is a stored change. At its
 * deadline a session is still good. */
#pragma once

#include "core/change.h"

#define LEASE_RESTART_MS 20000u            /* for every session when serving starts */
#define LEASE_QUIET_MS   (15u * 60 * 1000) /* without a live session an epoch ends */

/* A request came, or is held until then: the session lives to deadline_ms at least. */
void lease_touch(struct run *run, uint32_t session, uint64_t deadline_ms);

/* It was seen to go: it has until then to come back. */
void lease_shorten(struct run *run, uint32_t session, uint64_t deadline_ms);

/* Nobody could be heard for so long (the process was stopped, the loop was busy): that is not the
 * sessions' fault. */
void lease_extend(struct run *run, uint64_t by_ms);

/* After a run was loaded: every live session gets LEASE_RESTART_MS. */
void lease_start(struct run *run, uint64_t now_ms);

/* After sessions came or went: notes since when none lives. */
void lease_watch(struct run *run, uint64_t now_ms);

/* The sessions that are past their deadline, as a change (empty: none). Looks at each session only
 * when the earliest deadline has passed. */
void lease_expire(struct run *run, uint64_t now_ms, struct change *out);

/* Nobody has lived for LEASE_QUIET_MS. */
bool lease_quiet(const struct run *run, uint64_t now_ms);
