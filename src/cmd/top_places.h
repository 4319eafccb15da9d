/* The network namespaces that are looked at, and in each of them the way in. */
#ifndef CONTEST_CMD_TOP_PLACES_H
#define CONTEST_CMD_TOP_PLACES_H

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"
#include "cmd/source_option.h"
#include "observe/sockdiag.h"

#define TOP_PLACE_NAME 48

struct top_place {
	uint64_t netns;			     /* its inode */
	char name[TOP_PLACE_NAME];	     /* net_namespace_label(); any bytes */
	int fd;				     /* (owned) */
	void *source;			     /* (owned) of struct socket_source */
	struct sockdiag *diag;		     /* (owned) for single sockets; NULL: there is none */
	const struct socket_source *summing; /* NULL: nobody was asked for sums yet */
	void *sums;			     /* (owned) of it */
	bool there;			     /* seen by the last renewal */
};

struct top_places {
	struct source_choice source;
	bool all; /* whatever namespaces there are, anew for each look */
	struct top_place *at;
	size_t count, capacity;
	unsigned refused;     /* namespaces that could not be entered, or had no room */
	uint64_t descriptors; /* that this process may have */
};

/* Who adds up this place's sockets (source_choice_summing()), with place->sums; NULL: nobody. */
const struct socket_source *top_place_summing(const struct top_places *places,
					      struct top_place *place);

/* @netns: NULL for one's own, "all", or a name or process. 0 or -errno with @why. */
int top_places_open(struct top_places *places, struct source_choice source, const char *netns,
		    struct why *why);
void top_places_close(struct top_places *places);

/* With "all": finds those that have come, lets go of those that went. 0 or -errno with @why. */
int top_places_renew(struct top_places *places, struct why *why);

/* NULL: not among them. */
const struct top_place *top_place_find(const struct top_places *places, uint64_t netns);

#endif
