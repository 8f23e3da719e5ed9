#include "cfg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "suggest.h"

#define CFG_NAME_SHOWN_BYTES 80

/* How an option is called in an error: "option --total" or "MAKESPAN_TOTAL". */
struct origin {
    char text[CFG_NAME_SHOWN_BYTES];
};

static struct origin origin_of(const struct cfg_option *o, bool from_env)
{
    struct origin origin;

    if (from_env)
        (void)snprintf(origin.text, sizeof(origin.text), "%s", o->env);
    else
        (void)snprintf(origin.text, sizeof(origin.text), "option --%s", o->name);
    return origin;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static enum err_code set_flag(bool *into, const char *text, struct err *err)
{
    static const char *const yes[] = { "1", "true", "yes", "on", NULL };
    static const char *const no[] = { "0", "false", "no", "off", NULL };

    if (!is_one_of(text, yes) && !is_one_of(text, no))
        return err_set(err, ERR_USAGE, "'%s' is neither 1 nor 0", text);
    *into = is_one_of(text, yes);
    return ERR_NONE;
}

static enum err_code set_value(const struct cfg_option *o, const char *text, struct err *err)
{
    switch (o->kind) {
    case CFG_FLAG:
        return set_flag(o->into, text, err);
    case CFG_TEXT:
        *(const char **)o->into = text;
        return ERR_NONE;
    case CFG_U32:
        return parse_u32(text, (uint32_t)o->min, (uint32_t)o->max, o->into, err);
    case CFG_DURATION:
        return parse_duration_ms(text, o->max, o->into, err);
    case CFG_SIZE:
        return parse_size(text, o->max, o->into, err);
    case CFG_LIST: {
        struct cfg_list *list = o->into;

        list->items = mem_grow(list->items, &list->cap, list->count + 1, sizeof(*list->items));
        list->items[list->count++] = text;
        return ERR_NONE;
    }
    }
    UNREACHABLE("cfg kind");
}

static enum err_code assign(const struct cfg_option *o, const char *text, bool from_env,
                            struct err *err)
{
    if (set_value(o, text, err)) {
        err->code = ERR_USAGE;
        return err_wrap(err, "%s", origin_of(o, from_env).text);
    }
    return ERR_NONE;
}

static enum err_code read_environment(const struct cfg_command *command, struct err *err)
{
    for (size_t i = 0; i < command->option_count; i++) {
        const struct cfg_option *o = &command->options[i];
        const char *text = o->env ? getenv(o->env) : NULL;

        if (text && *text && assign(o, text, true, err))
            return ERR_USAGE;
    }
    return ERR_NONE;
}

static const struct cfg_option *find_long(const struct cfg_command *command, struct view name)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (view_eq(name, command->options[i].name))
            return &command->options[i];
    return NULL;
}

static const struct cfg_option *find_short(const struct cfg_command *command, char name)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].short_name == name)
            return &command->options[i];
    return NULL;
}

static const char *way_out(const struct cfg_command *command)
{
    return command->way_out ? command->way_out : "--help lists all";
}

static void unknown_option(const struct cfg_command *command, struct view name, struct err *err)
{
    struct suggestion near = { 0 };

    for (size_t i = 0; i < command->option_count; i++)
        if (command->options[i].help)
            suggest(&near, name, command->options[i].name);
    if (near.word)
        err_set(err, ERR_USAGE, "there is no option --%.*s; did you mean --%s?",
                (int)min_size(name.len, CFG_NAME_SHOWN_BYTES), name.at, near.word);
    else
        err_set(err, ERR_USAGE, "there is no option --%.*s; %s",
                (int)min_size(name.len, CFG_NAME_SHOWN_BYTES), name.at, way_out(command));
}

/* An option as it was found, NULL if it was not: err tells why. Its value is in the same word, or
 * NULL. */
struct found {
    const struct cfg_option *option;
    const char *value;
};

static struct found find_option(const struct cfg_command *command, const char *word,
                                struct err *err)
{
    struct found f = { 0 };

    if (word[1] == '-') {
        struct view name = { .at = word + 2, .len = strcspn(word + 2, "=") };

        f.option = find_long(command, name);
        f.value = name.at[name.len] == '=' ? name.at + name.len + 1 : NULL;
        if (!f.option)
            unknown_option(command, name, err);
        return f;
    }
    f.option = find_short(command, word[1]);
    f.value = word[2] ? word + 2 : NULL;
    if (!f.option) {
        err_set(err, ERR_USAGE, "there is no option -%c; %s", word[1], way_out(command));
    } else if (f.option->kind == CFG_FLAG && f.value) {
        err_set(err, ERR_USAGE, "option -%c takes no value: write -%c alone", word[1], word[1]);
        f.option = NULL;
    }
    return f;
}

/* Reads the option at argv[*at] and moves *at past it and its value. */
static enum err_code read_option(const struct cfg_command *command, int argc, char *const *argv,
                                 int *at, struct err *err)
{
    struct found f = find_option(command, argv[*at], err);

    if (!f.option)
        return ERR_USAGE;
    ++*at;
    if (f.option->kind == CFG_FLAG)
        return assign(f.option, f.value ? f.value : "1", false, err);
    if (!f.value && f.option->bare) {
        f.value = f.option->bare;
    } else if (!f.value) {
        if (*at >= argc)
            return err_set(err, ERR_USAGE, "option --%s needs a value: --%s %s", f.option->name,
                           f.option->name, f.option->value);
        f.value = argv[(*at)++];
    }
    if (f.option->kind == CFG_TEXT && !*f.value && f.value != f.option->bare)
        return err_set(err, ERR_USAGE, "option --%s: its value is empty; leave it out or give one",
                       f.option->name);
    return assign(f.option, f.value, false, err);
}

/* Whether help is asked for anywhere among the options: it wins over every mistake beside it. */
static bool wants_help(const struct cfg_command *command, int argc, char *const *argv)
{
    struct err ignored = ERR_INIT;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
        if (strcmp(argv[i], "--") == 0)
            return false;
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            if (!command->words)
                return false;
        } else {
            struct found f = find_option(command, argv[i], &ignored);

            if (f.option && f.option->kind != CFG_FLAG && !f.option->bare && !f.value)
                i++;
        }
    }
    return false;
}

static void collect(struct cfg_list *words, const char *word)
{
    words->items = mem_grow(words->items, &words->cap, words->count + 1, sizeof(*words->items));
    words->items[words->count++] = word;
}

enum err_code cfg_parse(const struct cfg_command *command, int argc, char *const *argv,
                        int *out_rest, bool *out_help, struct err *err)
{
    int at = 1;

    *out_help = wants_help(command, argc, argv);
    if (*out_help)
        return ERR_NONE;
    if (read_environment(command, err))
        return ERR_USAGE;
    while (at < argc) {
        const char *word = argv[at];

        if (strcmp(word, "--") == 0) {
            at++;
            break;
        }
        if (word[0] == '-' && word[1] != '\0') {
            if (read_option(command, argc, argv, &at, err))
                return ERR_USAGE;
        } else if (command->words) {
            collect(command->words, word);
            at++;
        } else {
            break;
        }
    }
    *out_rest = at;
    return ERR_NONE;
}
