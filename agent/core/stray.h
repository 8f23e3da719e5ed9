/* stray.h - whose a process is that was left behind when its worker had gone. Pure.
 *
 * Two traces lead to the test: what pytest wrote into the environment that the process was started
 * with, and else when it began and in whose session. Not for: finding such processes, or ending
 * them (supervise/stray, machine/keeper). */
#pragma once

#include "manifest.h"

#define STRAY_COMMAND_BYTES 161u
#define STRAY_NO_WORKER     UINT32_MAX
/* The kernel tells the start of a process, and the time since its own, in steps of 10 ms each. */
#define STRAY_BLUR_US 20000u

struct stray {
    uint32_t pid;
    uint32_t worker; /* STRAY_NO_WORKER: of pytest itself, or not known */
    char *test;      /* id; NULL: not known */
    bool sure;       /* it is this one; else it ran at about that time */
    char command[STRAY_COMMAND_BYTES];
};

/* Reads PYTEST_CURRENT_TEST and PYTEST_XDIST_WORKER from an environment as the kernel shows it.
 * *out_test is the caller's, or stays NULL; *out_worker stays as it is when nothing is said. */
void stray_read_environment(struct view bytes, char **out_test, uint32_t *out_worker);

/* A command line as the kernel shows it, for people: one line, cut. */
void stray_read_command(struct view bytes, char out[STRAY_COMMAND_BYTES]);

/* When and where a test ran; all zero for one that did not. */
struct stray_run {
    uint64_t started_us, ended_us; /* ended 0: it runs, or its worker died in it */
    uint32_t worker;
};

struct stray_time {
    uint64_t at_us;
    uint32_t worker; /* STRAY_NO_WORKER: whichever */
};

/* The test that ran then, or the nearest; sure if no other comes into question. Its position, or
 * UINT32_MAX. */
uint32_t stray_test_at(const struct stray_run *runs, uint32_t count, const struct stray_time *when,
                       bool *out_sure);
