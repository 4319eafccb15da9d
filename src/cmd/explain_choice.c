#include "cmd/explain_choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/cli.h"

/* Where the port stands: behind the last colon; NULL without one. */
static const char *port_of(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon && colon > text && colon[1] ? colon + 1 : NULL;
}

/* "10.0.0.1:80" or "[fd00::1]:80" */
static bool parse_endpoint(const char *text, struct tcp_endpoint *ret)
{
	const char *port = port_of(text);
	char address[TCP_ENDPOINT_TEXT_MAX];
	struct tcp_endpoint endpoint;
	size_t length = port ? (size_t)(port - 1 - text) : 0;
	bool brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';
	int64_t number;

	if (!port || length >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)(brackets ? length - 2 : length),
		 brackets ? text + 1 : text);
	if (tcp_address_parse(address, &endpoint.address) < 0 ||
	    (endpoint.address.family == AF_INET6) != brackets)
		return false;
	if (cli_parse_number(port, &number) < 0 || number < 0 || number > UINT16_MAX)
		return false;
	endpoint.port = (uint16_t)number;
	*ret = endpoint;
	return true;
}

static int parse(const char *text, struct chosen *ret)
{
	int64_t number;

	*ret = (struct chosen){.text = text};
	if (cli_parse_number(text, &number) == 0) {
		ret->number = number > 0 ? (uint64_t)number : 0;
		return number > 0 ? 0 : -EINVAL;
	}
	ret->has_endpoint = parse_endpoint(text, &ret->endpoint);
	return ret->has_endpoint || port_of(text) ? 0 : -EINVAL;
}

int explain_choice_add(struct explain_choice *choice, const char *text)
{
	struct chosen chosen, *grown;
	int r = parse(text, &chosen);

	if (r < 0)
		return r;
	grown = reallocarray(choice->at, choice->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	choice->at = grown;
	choice->at[choice->count++] = chosen;
	return 0;
}

void explain_choice_done(struct explain_choice *choice)
{
	free(TAKE_PTR(choice->at));
	choice->count = 0;
}

static bool is_end(const struct chosen *chosen, const struct tcp_endpoint *endpoint,
		   const struct explain_names *names)
{
	const char *name;

	if (chosen->has_endpoint)
		return tcp_endpoint_equal(&chosen->endpoint, endpoint);
	name = names && names->name ? names->name(names->context, endpoint) : NULL;
	return name && strcmp(name, chosen->text) == 0;
}

bool explain_choice_fits(struct explain_choice *choice, const struct finding *finding,
			 const struct explain_names *names)
{
	bool fits = choice->count == 0;

	for (size_t i = 0; i < choice->count; i++) {
		struct chosen *chosen = &choice->at[i];
		bool meant = chosen->number
				     ? chosen->number == finding->number
				     : is_end(chosen, &finding->end[0].endpoint, names) ||
					       is_end(chosen, &finding->end[1].endpoint, names);

		chosen->met += meant;
		fits = fits || meant;
	}
	return fits;
}

const char *explain_choice_unmet(const struct explain_choice *choice)
{
	for (size_t i = 0; i < choice->count; i++)
		if (choice->at[i].met == 0)
			return choice->at[i].text;
	return NULL;
}
