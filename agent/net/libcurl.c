#include "libcurl.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

enum err_code libcurl_load(struct libcurl *out, struct err *err)
{
    struct libcurl found;
    void *library, *function;

    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return err_set(err, ERR_UNREACHABLE, "libcurl is needed to reach a coordinator: %s",
                       dlerror());
        /* Never closed: a thread of its resolver may outlive the last request. Through memcpy,
         * since to C an object's address is not a function's. */
#define LIBCURL_FIND(name)                                                                         \
    function = dlsym(library, "curl_" #name);                                                      \
    if (!function)                                                                                 \
        return err_set(err, ERR_UNREACHABLE, "%s has no curl_%s: it is too old", LIBRARY, #name);  \
    memcpy(&found.name, &function, sizeof(function));
    LIBCURL_FUNCTIONS(LIBCURL_FIND)
#undef LIBCURL_FIND
    *out = found;
    return ERR_NONE;
}
