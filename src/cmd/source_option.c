#include "cmd/source_option.h"

const char *source_option_word(size_t index)
{
	/* The array ends with NULL, and nobody asks beyond. */
	return socket_sources[index] ? socket_sources[index]->name : NULL;
}

const struct socket_source *source_choice_summing(const struct source_choice *choice, int netns_fd)
{
	if (!choice->named)
		return socket_source_summing(netns_fd);
	return choice->source->sum ? choice->source : NULL;
}

int source_option_read(const struct invocation *call, struct source_choice *ret)
{
	int chosen = invocation_choice(call, "source", -1);
	struct why why, first = {0};

	if (chosen >= 0) {
		if (socket_sources[chosen]->probe(&why) < 0)
			return invocation_fail(call, CLI_REFUSED, "%s", why.text);
		*ret = (struct source_choice){socket_sources[chosen], true};
		return CLI_DONE;
	}
	for (size_t i = 0; socket_sources[i]; i++) {
		if (socket_sources[i]->probe(i ? &why : &first) < 0)
			continue;
		*ret = (struct source_choice){socket_sources[i], false};
		return CLI_DONE;
	}
	/* What the best one lacks is what is to be mended. */
	return invocation_fail(call, CLI_REFUSED, "%s", first.text);
}
