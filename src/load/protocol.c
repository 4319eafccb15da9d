#include "load/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load/proto_list.h"

const struct load_protocol *const load_protocols[] = {
	&load_protocol_daytime, &load_protocol_echo,	&load_protocol_http,
	&load_protocol_raw,	&load_protocol_connect, NULL,
};

const struct load_protocol *load_protocol_find(const char *name)
{
	for (const struct load_protocol *const *p = load_protocols; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	return NULL;
}

int load_payload_copy(const struct load_plan *plan, char **ret, size_t *ret_length)
{
	char *copy = NULL;

	if (plan->payload_length) {
		copy = malloc(plan->payload_length);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, plan->payload, plan->payload_length);
	}
	*ret = copy;
	*ret_length = plan->payload_length;
	return 0;
}
