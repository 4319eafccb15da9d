#include "cmd/explain_names.h"

#include <stddef.h>

const char *explain_names_endpoint(const struct explain_names *names,
				   const struct tcp_endpoint *endpoint, char *text)
{
	const char *name = names && names->name ? names->name(names->context, endpoint) : NULL;

	return name ? name : tcp_endpoint_format(endpoint, text);
}
