/* The parts of a test's id. Pure text; what pytest writes, and what adapters write likewise. */
#include <string.h>

#include "manifest.h"

/* Where the parameters begin: the first "[" after the last path separator. A folder may be named
 * with brackets, and parameters may hold "/" and "::". */
static size_t parameters_at(const char *id)
{
    const char *sep = strstr(id, "::");
    const char *bracket;

    if (!sep)
        return strlen(id);
    bracket = strchr(sep, '[');
    return bracket ? (size_t)(bracket - id) : strlen(id);
}

struct view manifest_id_file(const char *id)
{
    const char *sep = strstr(id, "::");

    return (struct view){ .at = id, .len = sep ? (size_t)(sep - id) : strlen(id) };
}

struct view manifest_id_scope(const char *id)
{
    size_t len = parameters_at(id);

    for (size_t i = len; i >= 2; i--)
        if (id[i - 1] == ':' && id[i - 2] == ':')
            return (struct view){ .at = id, .len = i - 2 };
    return manifest_id_file(id);
}

struct view manifest_id_family(const char *id)
{
    return (struct view){ .at = id, .len = parameters_at(id) };
}

enum err_code manifest_show(const char *id, uint32_t k, struct str *out, struct err *err)
{
    return k ? str_addf(out, err, "%s#%u", id, k) : str_addz(out, id, err);
}
