#include "cmd/top_places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/namespaces.h"

/* Descriptors that are left to others: the terminal, maps of BPF, files that are read meanwhile. */
#define DESCRIPTORS_SPARE 32
#define DESCRIPTORS_LEAST 256 /* where the system does not tell: what any has */

static void place_close(const struct top_places *places, struct top_place *place)
{
	if (place->source)
		places->source.source->close(place->source);
	if (place->diag)
		sockdiag_close(place->diag);
	if (place->sums)
		place->summing->close(place->sums);
	close(place->fd);
}

/* Three descriptors for each namespace: a soft limit of 1024 is soon met. Returns what holds then.
 */
static uint64_t raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return DESCRIPTORS_LEAST;
	if (limit.rlim_cur < limit.rlim_max) {
		struct rlimit more = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			limit = more;
	}
	return limit.rlim_cur;
}

/* Takes @fd over, also on failure. */
static int place_add(struct top_places *places, int fd, const char *name, struct why *why)
{
	struct top_place place = {.fd = fd, .there = true};
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0 || ARRAY_ROOM(places->at, places->capacity, places->count) < 0) {
		r = why_set(why, -errno, "cannot use a network namespace");
		close(fd);
		return r;
	}
	place.netns = status.st_ino;
	snprintf(place.name, sizeof(place.name), "%s", name);
	r = places->source.source->open(fd, &place.source, why);
	if (r < 0) {
		close(fd);
		return r;
	}
	/* Without it single connections are seen as often as all are. */
	if (sockdiag_open(fd, &place.diag, NULL) < 0)
		place.diag = NULL;
	places->at[places->count++] = place;
	return 0;
}

const struct socket_source *top_place_summing(const struct top_places *places,
					      struct top_place *place)
{
	const struct socket_source *summing = source_choice_summing(&places->source, place->fd);
	struct why why;

	if (!summing)
		return NULL;
	if (!place->sums && summing->open(place->fd, &place->sums, &why) < 0)
		return NULL;
	place->summing = summing;
	return summing;
}

static struct top_place *find(const struct top_places *places, uint64_t netns)
{
	for (size_t i = 0; i < places->count; i++)
		if (places->at[i].netns == netns)
			return &places->at[i];
	return NULL;
}

const struct top_place *top_place_find(const struct top_places *places, uint64_t netns)
{
	return find(places, netns);
}

/* One's own must be seen; others may be of somebody else, or go. */
static int take(struct top_places *places, const struct net_namespace *namespace, struct why *why)
{
	struct top_place *place = find(places, namespace->inode);
	char name[TOP_PLACE_NAME];
	int r;

	net_namespace_label(namespace, name, sizeof(name));
	if (place) {
		place->there = true;
		memcpy(place->name, name, sizeof(name));
		return 0;
	}
	r = net_namespace_open(namespace, why);
	if (r >= 0 && places->count && (uint64_t)r + DESCRIPTORS_SPARE > places->descriptors) {
		close(r);
		r = -EMFILE;
	}
	if (r >= 0)
		r = place_add(places, r, name, why);
	if (r < 0 && r != -ENOENT && !namespace->ours) {
		places->refused++;
		return 0;
	}
	return r == -ENOENT ? 0 : r;
}

static void forget_gone(struct top_places *places)
{
	size_t kept = 0;

	for (size_t i = 0; i < places->count; i++) {
		if (places->at[i].there)
			places->at[kept++] = places->at[i];
		else
			place_close(places, &places->at[i]);
	}
	places->count = kept;
}

int top_places_renew(struct top_places *places, struct why *why)
{
	struct net_namespaces seen = {0};
	int r;

	if (!places->all)
		return 0;
	r = net_namespaces_read(&seen, why);
	if (r < 0)
		return r;
	places->refused = 0;
	for (size_t i = 0; i < places->count; i++)
		places->at[i].there = false;
	for (size_t i = 0; i < seen.count && r == 0; i++)
		r = take(places, &seen.at[i], why);
	net_namespaces_done(&seen);
	if (r == 0)
		forget_gone(places);
	return r;
}

int top_places_open(struct top_places *places, struct source_choice source, const char *netns,
		    struct why *why)
{
	int r;

	*places = (struct top_places){.source = source};
	if (netns && strcmp(netns, "all") == 0) {
		places->all = true;
		places->descriptors = raise_descriptor_limit();
		r = top_places_renew(places, why);
	} else {
		r = net_namespace_find(netns, why);
		if (r >= 0)
			r = place_add(places, r, netns ? netns : "own", why);
	}
	if (r < 0)
		top_places_close(places);
	return r;
}

void top_places_close(struct top_places *places)
{
	for (size_t i = 0; i < places->count; i++)
		place_close(places, &places->at[i]);
	free(places->at);
	*places = (struct top_places){.source = places->source};
}
