/* The ports behind the names that tcpdump prints for them without -n. */
#ifndef CONTEST_CAPTURE_TCPDUMP_TEXT_SERVICES_H
#define CONTEST_CAPTURE_TCPDUMP_TEXT_SERVICES_H

#include <stdint.h>

/* The port, or -1 for a name that is not well known. */
int text_service_port(const char *name);

#endif
