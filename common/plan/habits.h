/* habits.h - what an agent does by the clock. The agent keeps to it, and so does the simulator:
 * what is simulated is what runs. */
#pragma once

/* More work is asked for when what is left lasts for so many requests' time. */
#define HABIT_LEADS_AHEAD 3u

/* Nothing has come in so long, a few requests' time: nothing will, and a free worker joins a scope
 * that another is in. */
#define HABIT_ALONE_US 100000u

/* Told to go (SIGTERM), it lets running tests end for so long: a CI kills some seconds later. */
#define HABIT_GRACE_US 5000000u
