#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define LINE_BYTES 4096

static struct {
    enum log_level lowest;
    enum log_form form;
} sink = { LOG_INFO, LOG_TEXT };

void log_setup(enum log_level lowest, enum log_form form)
{
    sink.lowest = lowest;
    sink.form = form;
}

static size_t json_escape(char *out, size_t cap, const char *text)
{
    size_t n = 0;

    for (; *text && n + 7 < cap; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20) {
            n += (size_t)snprintf(out + n, cap - n, "\\u%04x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = '\0';
    return n;
}

/* One write a line, so that lines of several processes do not mix. */
static void write_line(const char *line, size_t len)
{
    ssize_t n;

    do {
        n = write(STDERR_FILENO, line, len);
    } while (n < 0 && errno == EINTR);
    (void)n; /* a log that cannot be written must not stop the work */
}

void log_event(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    char event[LINE_BYTES / 2];
    char escaped[LINE_BYTES - 128];
    char line[LINE_BYTES];
    char when[CLOCK_TEXT_BYTES];
    va_list ap;
    int len;

    if (level < sink.lowest)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(event, sizeof(event), fmt, ap); /* a long event is cut */
    va_end(ap);
    for (char *p = event; *p; p++) /* names come from outside: no line or colour of their own */
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    clock_format(clock_wall_ms(clock_system()), when);
    if (sink.form == LOG_JSON) {
        (void)json_escape(escaped, sizeof(escaped), event);
        len = snprintf(line, sizeof(line), "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"}\n",
                       when, names[level], escaped);
    } else {
        len = snprintf(line, sizeof(line), "%s %-5s %s\n", when, names[level], event);
    }
    if (len > 0)
        write_line(line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}
