/* status.h - the HTTP status of an error, once for all paths. */
#pragma once

#include "err.h"

/* 503 means: the same request may succeed later, so agents try again. */
unsigned api_status(enum err_code code);
