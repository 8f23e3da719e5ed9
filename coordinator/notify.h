/* notify.h - tells a service manager how this program stands: the datagrams of sd_notify(3), to
 * $NOTIFY_SOCKET. Without that variable, and when nobody listens, nothing happens. */
#pragma once

#define NOTIFY_READY    "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"

void notify(const char *state);
