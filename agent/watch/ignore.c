#include "ignore.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct rule {
    char *pattern;
    bool keeps;   /* "!": what an earlier rule ignored is looked at */
    bool folders; /* matches folders only */
    bool whole;   /* against the path, not the last name */
    bool across;  /* a "*" of it goes across folders */
};

struct ignore {
    struct rule *rules;
    size_t cap;
    uint32_t count;
};

/* Wherever they are. */
static const char *const names[] = { ".git",        ".hg",         ".svn",          ".tox",
                                     ".nox",        ".venv",       ".eggs",         ".idea",
                                     ".vscode",     "__pycache__", ".pytest_cache", ".mypy_cache",
                                     ".ruff_cache", ".hypothesis", ".benchmarks",   "node_modules",
                                     "*.egg-info",  "*.py[co]",    ".coverage",     ".coverage.*",
                                     "*~",          "*.sw[a-z]",   ".#*",           "#*#",
                                     "*.tmp",       "4913",        "*.dist-info" };
/* At the root. */
static const char *const at_root[] = { "build", "dist", "venv", "env", "htmlcov", "coverage.xml" };

struct ignore *ignore_new(void)
{
    return mem_new(1, sizeof(struct ignore));
}

void ignore_free(struct ignore *ignore)
{
    if (!ignore)
        return;
    for (uint32_t i = 0; i < ignore->count; i++)
        free(ignore->rules[i].pattern);
    free(ignore->rules);
    free(ignore);
}

static bool ends_with(struct view line, const char *end)
{
    size_t len = strlen(end);

    return line.len >= len && memcmp(line.at + line.len - len, end, len) == 0;
}

static uint32_t count_stars(struct view line)
{
    uint32_t stars = 0;

    for (size_t i = 0; i < line.len; i++)
        stars += line.at[i] == '*';
    return stars;
}

static void cut_front(struct view *line, size_t bytes)
{
    line->at += bytes;
    line->len -= bytes;
}

static void add_line(struct ignore *ignore, struct view line)
{
    struct rule rule = { .pattern = NULL };

    while (line.len > 0 && strchr(" \t\r", line.at[line.len - 1]))
        line.len--;
    if (line.len == 0 || line.at[0] == '#')
        return;
    if (line.at[0] == '!') {
        rule.keeps = true;
        cut_front(&line, 1);
    } else if (line.len > 1 && line.at[0] == '\\' && strchr("#!", line.at[1])) {
        cut_front(&line, 1);
    }
    if (ends_with(line, "/**"))
        line.len -= 2; /* all that is in a folder: the folder */
    if (ends_with(line, "/")) {
        rule.folders = true;
        line.len--;
    }
    if (line.len > 3 && memcmp(line.at, "**/", 3) == 0)
        cut_front(&line, 3);
    else
        rule.whole = memchr(line.at, '/', line.len) != NULL;
    if (line.len > 0 && line.at[0] == '/')
        cut_front(&line, 1);
    if (line.len == 0 || line.len > IGNORE_RULE_BYTES_MAX || count_stars(line) > IGNORE_STARS_MAX ||
        memchr(line.at, '\0', line.len) || ignore->count == IGNORE_RULES_MAX)
        return;
    rule.pattern = view_dup(line);
    rule.across = strstr(rule.pattern, "**") != NULL;
    ignore->rules =
        mem_grow(ignore->rules, &ignore->cap, (size_t)ignore->count + 1, sizeof(*ignore->rules));
    ignore->rules[ignore->count++] = rule;
}

void ignore_add(struct ignore *ignore, const char *text, size_t len)
{
    size_t at = 0;

    while (at < len) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end ? (size_t)(end - text) - at : len - at;

        add_line(ignore, (struct view){ .at = text + at, .len = line_len });
        at += line_len + 1;
    }
}

static bool matches(const struct rule *rule, const char *path, const char *name)
{
    if (rule->whole)
        return fnmatch(rule->pattern, path, rule->across ? 0 : FNM_PATHNAME) == 0;
    return fnmatch(rule->pattern, name, 0) == 0;
}

bool ignore_has(const struct ignore *ignore, const char *path, enum ignore_kind kind)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    bool ignored = false;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (fnmatch(names[i], name, 0) == 0)
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(at_root); i++) {
        if (strcmp(at_root[i], path) == 0)
            return true;
    }
    for (uint32_t i = 0; i < ignore->count; i++) {
        const struct rule *rule = &ignore->rules[i];

        if (rule->keeps == ignored && (!rule->folders || kind == IGNORE_FOLDER) &&
            matches(rule, path, name))
            ignored = !rule->keeps;
    }
    return ignored;
}
