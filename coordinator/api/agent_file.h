/* agent_file.h - the agent's program as GET /agent hands it out: bytes, digest, one copy in memory.
 *
 * Read when first asked for, and again when the file has changed, so that bytes and digest always
 * belong together. */
#pragma once

#include "hash.h"
#include "http/http_server.h"

#define AGENT_FILE_BYTES_MAX (256u << 20)

struct agent_file;

struct agent_file *agent_file_new(const char *path);
void agent_file_free(struct agent_file *file); /* NULL is fine */

/* The bytes (lent until the next call) and their SHA-256. ERR_NOT_FOUND: there is no such file. */
MUST_USE enum err_code agent_file_get(struct agent_file *file, struct http_blob **out_bytes,
                                      const char **out_digest, struct err *err);
