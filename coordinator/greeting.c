#include "greeting.h"

#include <string.h>

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

enum err_code greeting_url(const struct greeting *g, struct str *out, struct err *err)
{
    const char *port = strrchr(g->address, ':');
    const char *host = g->first_name ? g->first_name : g->machine;
    bool everywhere = starts(g->address, "[::]:") || starts(g->address, "0.0.0.0:");

    INVARIANT(port != NULL);
    if (!everywhere && !g->first_name)
        return str_addf(out, err, "https://%s", g->address);
    return str_addf(out, err, strchr(host, ':') ? "https://[%s]%s" : "https://%s%s", host, port);
}

enum err_code greeting_text(const struct greeting *g, struct str *out, struct err *err)
{
    struct str url = STR_MAX(512);
    enum err_code rc = greeting_url(g, &url, err);

    if (!rc)
        rc = str_addf(out, err,
                      "makespand: listening on https://%s\n"
                      "makespand: data in %s\n\n"
                      "For CI (runners must reach this host; another name: --name HOST):\n\n"
                      "  export MAKESPAN_URL=%s\n"
                      "  export MAKESPAN_CA=%s%s\n",
                      g->address, g->folder, str_text(&url), g->pin,
                      g->own_certificate ? "   # or leave it out where your CA is trusted" : "");
    if (!rc && g->token)
        rc = str_addf(out, err,
                      "  export MAKESPAN_TOKEN=%s\n\n"
                      "The token is good for every project and is shown this once.\n",
                      g->token);
    else if (!rc)
        rc = str_addf(out, err,
                      "  export MAKESPAN_TOKEN=...   # made before; another one: makespand token "
                      "create --data %s\n",
                      g->folder);
    if (!rc && g->has_agent)
        rc = str_addf(
            out, err,
            "\nA runner that has only curl gets the agent from here:\n\n"
            "  curl -fsSk --pinnedpubkey '%s' -o makespan %s/agent/linux-x86_64 && chmod +x "
            "makespan\n",
            g->pin, str_text(&url));
    str_fini(&url);
    return rc;
}
