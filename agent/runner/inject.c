#include "inject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"

#define PLUGIN_WORDS 2u /* -p _makespan */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* "pytest-3", "python3.11": the name and then a version, or nothing. */
static bool is_named(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 &&
           strspn(word + len, "-.0123456789") == strlen(word + len);
}

static bool is_pytest(const char *word)
{
    return is_named(word, "pytest") || is_named(word, "py.test");
}

static bool is_python(const char *word)
{
    return is_named(word, "python") || is_named(word, "pypy");
}

/* Python's own options up to the module or script; a word may hold several letters ("-um"). */
static enum err_code find_after_python(char *const *argv, uint32_t *out_first, struct err *err)
{
    for (uint32_t i = 1; argv[i]; i++) {
        const char *word = argv[i];

        if (word[0] != '-' || word[1] == '\0') { /* a script, or "-" */
            *out_first = is_pytest(base_name(word)) ? i + 1 : 0;
            return ERR_NONE;
        }
        if (word[1] == '-') {
            if (strcmp(word, "--check-hash-based-pycs") == 0 && argv[i + 1])
                i++;
            continue;
        }
        for (const char *letter = word + 1; *letter; letter++) {
            const char *rest = letter[1] ? letter + 1 : argv[i + 1];

            if (*letter == 'E' || *letter == 'I')
                return err_set(err, ERR_USAGE,
                               "'%s -%c' ignores PYTHONPATH, through which makespan reaches "
                               "pytest; leave -%c out",
                               argv[0], *letter, *letter);
            if (*letter == 'c')
                return ERR_NONE;
            if (*letter == 'm') {
                bool found = rest && (strcmp(rest, "pytest") == 0 || strcmp(rest, "py.test") == 0);

                if (found)
                    *out_first = letter[1] ? i + 1 : i + 2;
                return ERR_NONE;
            }
            if (*letter == 'X' || *letter == 'W') {
                if (!letter[1] && argv[i + 1])
                    i++;
                break;
            }
        }
    }
    return ERR_NONE;
}

enum err_code inject_find_pytest(char *const *argv, uint32_t *out_first, struct err *err)
{
    uint32_t first = 0;
    enum err_code rc = ERR_NONE;

    if (is_pytest(base_name(argv[0])))
        first = 1;
    else if (is_python(base_name(argv[0])))
        rc = find_after_python(argv, &first, err);
    if (!rc)
        *out_first = first;
    return rc;
}

static char *joined(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    char *out = mem_new(a_len + b_len + 1, 1);

    memcpy(out, a, a_len);
    memcpy(out + a_len, b, b_len);
    return out;
}

static uint32_t count_words(char *const *words)
{
    uint32_t count = 0;

    while (words[count])
        count++;
    return count;
}

/* argv with "-p _makespan" before word first, and --junitxml behind pytest's options. */
static char **build_argv(const struct inject_input *in, uint32_t first)
{
    uint32_t count = count_words(in->argv), used = 0;
    char **out = mem_new((size_t)count + PLUGIN_WORDS + 3, sizeof(*out));
    bool junit_due = in->junit && first > 0;

    for (uint32_t i = 0; i <= count; i++) {
        if (i == first && first > 0) {
            out[used++] = mem_strdup("-p");
            out[used++] = mem_strdup("_makespan");
            if (in->last_failed)
                out[used++] = mem_strdup("--lf");
        }
        /* The user's own --junitxml would win over an earlier one; behind "--" it is a path. */
        if (junit_due && i >= first && (i == count || strcmp(in->argv[i], "--") == 0)) {
            out[used++] = joined("--junitxml=", in->junit);
            junit_due = false;
        }
        if (i < count)
            out[used++] = mem_strdup(in->argv[i]);
    }
    return out;
}

static const char *value_of(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (; *env; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    }
    return NULL;
}

/* What the command must not see, and what is set anew below. */
static bool is_dropped(const char *entry)
{
    static const char *const names[] = { "MAKESPAN_TOKEN=", "MAKESPAN_TOKEN_FILE=",
                                         "_MAKESPAN_SOCKET=", "_MAKESPAN_KEY=",
                                         "_MAKESPAN_RESTORE=" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

struct env_builder {
    char **items;
    size_t count, cap;
    struct json *restore;
};

static void env_add(struct env_builder *b, char *take_entry)
{
    b->items = mem_grow(b->items, &b->cap, b->count + 2, sizeof(*b->items));
    b->items[b->count++] = take_entry;
    b->items[b->count] = NULL;
}

static void env_put(struct env_builder *b, const char *name, const char *value)
{
    char *head = joined(name, "=");

    env_add(b, joined(head, value));
    free(head);
}

/* Sets name and notes what it was. */
static void env_replace(struct env_builder *b, char *const *env, const char *name,
                        const char *value)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < b->count; i++) {
        if (strncmp(b->items[i], name, len) == 0 && b->items[i][len] == '=') {
            free(b->items[i]);
            b->items[i] = b->items[--b->count];
            b->items[b->count] = NULL;
            i--;
        }
    }
    json_set_text(b->restore, name, value_of(env, name));
    env_put(b, name, value);
}

/* One word for a shell-like splitter: in single quotes. */
static enum err_code add_quoted(struct str *out, const char *word, struct err *err)
{
    enum err_code rc = str_addz(out, "'", err);

    for (; !rc && *word; word++)
        rc = *word == '\'' ? str_addz(out, "'\\''", err) : str_add(out, word, 1, err);
    return rc ? rc : str_addz(out, "'", err);
}

static enum err_code set_addopts(const struct inject_input *in, struct env_builder *b,
                                 struct err *err)
{
    const char *old = value_of(in->env, "PYTEST_ADDOPTS");
    struct str value = STR_MAX(INJECT_VALUE_BYTES_MAX);
    enum err_code rc;

    rc = str_addz(&value, in->last_failed ? "-p _makespan --lf" : "-p _makespan", err);
    if (rc)
        goto out;
    if (in->junit && ((rc = str_addz(&value, " --junitxml=", err)) != ERR_NONE ||
                      (rc = add_quoted(&value, in->junit, err)) != ERR_NONE))
        goto out;
    if (old && *old && (rc = str_addf(&value, err, " %s", old)) != ERR_NONE)
        goto out;
    env_replace(b, in->env, "PYTEST_ADDOPTS", str_text(&value));
out:
    str_fini(&value);
    return rc ? err_wrap(err, "PYTEST_ADDOPTS") : ERR_NONE;
}

static enum err_code set_python_path(const struct inject_input *in, struct env_builder *b,
                                     struct err *err)
{
    const char *old = value_of(in->env, "PYTHONPATH");
    struct str value = STR_MAX(INJECT_VALUE_BYTES_MAX);
    enum err_code rc = str_addz(&value, in->folder, err);

    /* An empty part would mean the working directory. */
    if (!rc && old && *old)
        rc = str_addf(&value, err, ":%s", old);
    if (!rc)
        env_replace(b, in->env, "PYTHONPATH", str_text(&value));
    str_fini(&value);
    return rc ? err_wrap(err, "PYTHONPATH") : ERR_NONE;
}

/* The run's seed makes sets iterate alike on all machines; a seed that the user fixed does too. */
static void set_seed(const struct inject_input *in, struct env_builder *b)
{
    const char *old = value_of(in->env, "PYTHONHASHSEED");
    char text[24];

    if (!in->has_seed || (old && *old && strcmp(old, "random") != 0))
        return;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)in->seed);
    env_replace(b, in->env, "PYTHONHASHSEED", text);
}

static enum err_code build_env(const struct inject_input *in, enum inject_way way, char ***out,
                               struct err *err)
{
    struct env_builder b = { .restore = json_new_object() };
    enum err_code rc = ERR_NONE;
    char *restore;

    for (char *const *entry = in->env; *entry; entry++) {
        if (!is_dropped(*entry))
            env_add(&b, mem_strdup(*entry));
    }
    if (way == INJECT_ADDOPTS)
        rc = set_addopts(in, &b, err);
    if (!rc)
        rc = set_python_path(in, &b, err);
    if (!rc) {
        set_seed(in, &b);
        restore = json_dump(b.restore, JSON_TIGHT);
        env_put(&b, "_MAKESPAN_SOCKET", in->socket);
        env_put(&b, "_MAKESPAN_KEY", in->key);
        env_put(&b, "_MAKESPAN_RESTORE", restore);
        free(restore);
        *out = b.items;
        b.items = NULL;
    }
    for (size_t i = 0; b.items && i < b.count; i++)
        free(b.items[i]);
    free(b.items);
    json_free(b.restore);
    return rc;
}

enum err_code inject(const struct inject_input *in, struct injection *out, struct err *err)
{
    struct injection done = { .way = INJECT_ARGUMENTS };
    uint32_t first = 0;
    enum err_code rc = inject_find_pytest(in->argv, &first, err);

    if (rc)
        return rc;
    if (first == 0)
        done.way = INJECT_ADDOPTS;
    rc = build_env(in, done.way, &done.env, err);
    if (rc)
        return rc;
    done.argv = build_argv(in, first);
    *out = done;
    return ERR_NONE;
}

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

void injection_fini(struct injection *injection)
{
    free_words(injection->argv);
    free_words(injection->env);
    *injection = (struct injection){ .argv = NULL };
}
