/* store_mem.h - the store in memory, for simulation and tests: every promise but durability. */
#pragma once

#include "store/store.h"

struct store *store_mem_new(void);
