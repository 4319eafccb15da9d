#include "serve/protocol.h"

#include <string.h>

#include "serve/protocols.h"

const struct serve_protocol *const protocols[] = {
	&protocol_daytime, &protocol_echo, &protocol_discard, &protocol_chargen, &protocol_chat,
	&protocol_http,	   NULL,
};

const struct serve_protocol *protocol_find(const char *name)
{
	for (const struct serve_protocol *const *p = protocols; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	return NULL;
}
