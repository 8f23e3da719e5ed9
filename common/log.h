/* log.h - one event a line on standard error, for operators: level, event name, then key=value.
 *
 * Only service, server, supervise and the two main.c log; everything else returns an error. Values
 * that hold spaces are quoted by the caller: log_info("run_sealed run=%s why=\"%s\"", ...). Never a
 * secret. */
#pragma once

#include "base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_form { LOG_TEXT, LOG_JSON };

/* The only mutable globals besides the signal flags: lowest level shown (default LOG_INFO) and
 * form. */
void log_setup(enum log_level lowest, enum log_form form);

void log_event(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_debug(...) log_event(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_event(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, __VA_ARGS__)
