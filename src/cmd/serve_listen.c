#include "cmd/serve_listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/netns.h"
#include "observe/holder.h"

/* ---- a port in use */

/* A process may call itself anything. */
static const char *clean_name(const struct socket_owner *owner, char *to, size_t room)
{
	return screen_escape(owner->name, strlen(owner->name), to, room);
}

static void say_listener(const struct port_holder *holder, char *to, size_t room)
{
	char where[TCP_ENDPOINT_TEXT_MAX], name[4 * HOLDER_NAME_MAX], more[48] = "";

	tcp_endpoint_format(&holder->where, where);
	if (!holder->owned)
		snprintf(to, room,
			 "a process of user %u listens at %s; which one, only that user and root "
			 "can see",
			 holder->uid, where);
	else if (holder->owner.pid == getpid())
		snprintf(to, room, "this command listens at %s already: it was told to twice",
			 where);
	else {
		if (holder->owner.processes > 1)
			snprintf(more, sizeof(more), ", one of %zu,", holder->owner.processes);
		snprintf(to, room, "process %d (%s)%s listens at %s", (int)holder->owner.pid,
			 clean_name(&holder->owner, name, sizeof(name)), more, where);
	}
}

static void say_connections(const struct port_holder *holder, bool no_reuseaddr, char *to,
			    size_t room)
{
	const char *remedy =
		no_reuseaddr ? "with --reuseaddr=on, the default, they would not be in the way"
			     : "the server before had not set SO_REUSEADDR, or else they would not "
			       "be in the way";

	if (holder->connections == 0)
		snprintf(to, room, "%zu connections in TIME-WAIT hold it, for up to 60 s; %s",
			 holder->time_wait, remedy);
	else
		snprintf(to, room,
			 "%zu connections that have not ended and %zu in TIME-WAIT (for up to "
			 "60 s) hold it; %s",
			 holder->connections, holder->time_wait, remedy);
}

static int fail_in_use(const struct invocation *call, const struct tcp_endpoint *at,
		       const struct listen_options *options, const struct why *plain)
{
	CLEANUP_CLOSE int netns = netns_open_current();
	char where[TCP_ENDPOINT_TEXT_MAX], reason[384];
	struct port_holder holder;

	if (netns < 0 || port_holder_find(netns, at, &holder, NULL) < 0 ||
	    (!holder.listening && holder.time_wait + holder.connections == 0))
		return invocation_fail(call, CLI_REFUSED, "%s", plain->text);
	if (holder.listening)
		say_listener(&holder, reason, sizeof(reason));
	else
		say_connections(&holder, options->no_reuseaddr, reason, sizeof(reason));
	return invocation_fail(call, CLI_REFUSED, "cannot listen on %s: the port is in use: %s",
			       tcp_endpoint_format(at, where), reason);
}

/* ---- opening */

static int resolve(const struct invocation *call, const struct serve_options *options,
		   const char *text, struct serve_listeners *listeners)
{
	struct why why;
	int r = listen_resolve(text, options->port, &options->listen,
			       listeners->at + listeners->count, LISTEN_MAX - listeners->count,
			       &why);

	if (r < 0)
		return invocation_fail(call, r == -EINVAL ? CLI_USAGE : CLI_REFUSED,
				       "option '--listen': %s", why.text);
	for (int i = 0; i < r; i++)
		listeners->fds[listeners->count++] = -1;
	return CLI_DONE;
}

static int resolve_all(const struct invocation *call, const struct serve_options *options,
		       struct serve_listeners *listeners)
{
	int r = CLI_DONE;

	if (!invocation_given(call, "listen"))
		return resolve(call, options, "*", listeners);
	for (size_t i = 0; r == CLI_DONE && invocation_text_at(call, "listen", i); i++)
		r = resolve(call, options, invocation_text_at(call, "listen", i), listeners);
	return r;
}

/* Whether all of IPv4 is asked for at that port besides: then [::] is to leave it alone. */
static bool has_v4_wildcard(const struct serve_listeners *listeners, uint16_t port)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->at[i].address.family == AF_INET && listeners->at[i].port == port &&
		    listeners->at[i].address.v4.s_addr == INADDR_ANY)
			return true;
	return false;
}

static int open_one(const struct invocation *call, const struct serve_options *options,
		    struct serve_listeners *listeners, size_t index)
{
	struct tcp_endpoint at = listeners->at[index];
	struct listen_options listen = options->listen;
	struct why why;
	int r;

	if (listen.family == LISTEN_ANY_FAMILY && at.address.family == AF_INET6 &&
	    has_v4_wildcard(listeners, at.port))
		listen.family = LISTEN_V6;
	r = listen_open(&at, &listen, &listeners->fds[index], &listeners->at[index], &why);
	if (r == -EADDRINUSE)
		return fail_in_use(call, &at, &listen, &why);
	if (r < 0)
		return invocation_fail(call, CLI_REFUSED, "%s", why.text);
	return CLI_DONE;
}

/* ---- what the kernel makes of it without a word */

/* A number in a file below /proc/sys/net; @otherwise where it cannot be read. */
static long sysctl_number(const char *path, long otherwise)
{
	CLEANUP_FREE char *text = NULL;
	size_t length;

	return file_read(path, 64, &text, &length) < 0 ? otherwise : atol(text);
}

static void warn(const struct invocation *call, const struct listen_options *listen)
{
	long most = sysctl_number("/proc/sys/net/core/somaxconn", INT32_MAX);
	long fastopen = sysctl_number("/proc/sys/net/ipv4/tcp_fastopen", 2);

	if (listen->backlog > most)
		invocation_fail(call, CLI_DONE,
				"the backlog will be %ld: net.core.somaxconn allows no more", most);
	/* TFO_SERVER_ENABLE (include/net/tcp.h) */
	if (listen->fastopen && !(fastopen & 2))
		invocation_fail(call, CLI_DONE,
				"--fastopen has no effect: net.ipv4.tcp_fastopen is %ld, and "
				"servers need its bit 2",
				fastopen);
}

int serve_listeners_open(const struct invocation *call, const struct serve_options *options,
			 struct serve_listeners *ret)
{
	int r;

	ret->count = 0;
	r = resolve_all(call, options, ret);
	for (size_t i = 0; r == CLI_DONE && i < ret->count; i++)
		r = open_one(call, options, ret, i);
	if (r == CLI_DONE)
		warn(call, &options->listen);
	return r;
}

void serve_listeners_release(struct serve_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		listeners->fds[i] = -1;
}

void serve_listeners_done(struct serve_listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		if (listeners->fds[i] >= 0)
			close(listeners->fds[i]);
	serve_listeners_release(listeners);
}
