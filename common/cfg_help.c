/* The --help text: built from the same table, wrapped for a terminal of 80 columns. */
#include <stdio.h>
#include <string.h>

#include "cfg.h"

#define HELP_COLUMNS   80u
#define HELP_INDENT    26u /* where the explanations of options begin */
#define HELP_BYTES_MAX (1u << 20)

static void put(struct str *out, const char *text, size_t len)
{
    struct err err = ERR_INIT;

    INVARIANT(!str_add(out, text, len, &err)); /* the tables are ours and small */
}

static void putz(struct str *out, const char *text)
{
    put(out, text, strlen(text));
}

static void pad(struct str *out, size_t columns)
{
    while (columns-- > 0)
        put(out, " ", 1);
}

/* Columns of UTF-8 text: continuation bytes take none. */
static size_t width(const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* Puts text with its lines broken at spaces; *column is where the cursor stands. A line that begins
 * with a space is an example and stays as it is. */
static void wrap(struct str *out, const char *text, size_t indent, size_t *column)
{
    bool verbatim = *text == ' ';

    while (*text) {
        size_t len = strcspn(text, verbatim ? "\n" : " \n");
        size_t columns = width(text, len);

        if (*column > indent && !verbatim) {
            if (*column + 1 + columns > HELP_COLUMNS) {
                putz(out, "\n");
                pad(out, indent);
                *column = indent;
            } else {
                putz(out, " ");
                ++*column;
            }
        }
        put(out, text, len);
        *column += columns;
        text += len;
        if (*text == '\n') {
            putz(out, "\n");
            text++;
            verbatim = *text == ' ';
            if (*text && *text != '\n')
                pad(out, indent);
            *column = indent;
        } else if (*text) {
            text++;
        }
    }
}

static void put_option(struct str *out, const struct cfg_option *o)
{
    size_t start = out->len;
    size_t column;
    char short_form[] = { '-', o->short_name, ',', ' ', '\0' };

    putz(out, "  ");
    putz(out, o->short_name ? short_form : "    ");
    putz(out, "--");
    putz(out, o->name);
    if (o->value) {
        putz(out, o->bare ? "[=" : " ");
        putz(out, o->value);
        putz(out, o->bare ? "]" : "");
    }
    column = out->len - start;
    if (column + 2 > HELP_INDENT) {
        putz(out, "\n");
        column = 0;
    }
    pad(out, HELP_INDENT - column);
    column = HELP_INDENT;
    wrap(out, o->help, HELP_INDENT, &column);
    if (o->env) {
        char variable[HELP_COLUMNS];

        (void)snprintf(variable, sizeof(variable), "[$%s]", o->env);
        wrap(out, variable, HELP_INDENT, &column);
    }
    putz(out, "\n");
}

static void put_section(struct str *out, const char *title)
{
    putz(out, "\n");
    putz(out, title);
    putz(out, ":\n");
}

char *cfg_help(const struct cfg_command *command)
{
    struct str out = STR_MAX(HELP_BYTES_MAX);
    size_t column = 0;

    putz(&out, "Usage: ");
    for (const char *p = command->usage; *p; p++) {
        put(&out, p, 1);
        if (*p == '\n')
            putz(&out, "       ");
    }
    putz(&out, "\n\n");
    wrap(&out, command->about, 0, &column);
    putz(&out, "\n");
    put_section(&out, "Options");
    putz(&out, "  -h, --help              Show this help.\n");
    for (size_t i = 0; i < command->option_count; i++) {
        if (command->options[i].section)
            put_section(&out, command->options[i].section);
        if (command->options[i].help)
            put_option(&out, &command->options[i]);
    }
    if (command->tail) {
        putz(&out, "\n");
        putz(&out, command->tail);
        if (out.at[out.len - 1] != '\n')
            putz(&out, "\n");
    }
    return str_take(&out);
}
