/*
 * The filter of `contest states`: it is refused with a place in the text and a sentence, or it is
 * bytecode that the kernel takes (inet_diag_bc_audit(), 6.18), and that leaves out no socket that
 * the filter matches (inet_diag_bc_run()).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "observe/socket_filter.h"
#include "tcp/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* ---- bytecode */

static size_t size_of(const struct inet_diag_bc_op *op, size_t left)
{
	const struct inet_diag_hostcond *host = (const void *)(op + 1);
	size_t address;

	switch (op->code) {
	case INET_DIAG_BC_JMP:
		return sizeof(*op);
	case INET_DIAG_BC_S_GE:
	case INET_DIAG_BC_S_LE:
	case INET_DIAG_BC_S_EQ:
	case INET_DIAG_BC_D_GE:
	case INET_DIAG_BC_D_LE:
	case INET_DIAG_BC_D_EQ:
		return 2 * sizeof(*op);
	case INET_DIAG_BC_S_COND:
	case INET_DIAG_BC_D_COND:
		CHECK(left >= sizeof(*op) + sizeof(*host));
		CHECK(host->family == AF_INET || host->family == AF_INET6);
		address = host->family == AF_INET ? 4 : 16;
		CHECK(host->prefix_len <= 8 * address);
		return sizeof(*op) + sizeof(*host) + address;
	default:
		abort();
	}
}

static void audit(const char *code, size_t length)
{
	bool begins[SOCKET_FILTER_BYTECODE_MAX + 8] = {false};

	CHECK(length <= SOCKET_FILTER_BYTECODE_MAX && length % 4 == 0);
	begins[length] = begins[length + 4] = true;
	for (size_t at = length; at > 0;) {
		size_t begin = length - at;
		const struct inet_diag_bc_op *op = (const void *)(code + begin);
		size_t size = size_of(op, at);

		begins[begin] = true;
		CHECK(op->yes == size && size <= at && op->no >= size);
		at -= size;
	}
	for (size_t at = 0; at < length;) {
		const struct inet_diag_bc_op *op = (const void *)(code + at);

		CHECK(at + op->no <= length + 4 && begins[at + op->no]);
		at += op->yes;
	}
}

/* A socket as the kernel has it. */
struct entry {
	int family, state;
	const char *local, *remote;
	uint16_t local_port, remote_port;
	uint8_t addresses[2][16];
};

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
	for (int i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static bool host_holds(const struct inet_diag_bc_op *op, const struct entry *entry)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct inet_diag_hostcond *host = (const void *)(op + 1);
	bool remote = op->code == INET_DIAG_BC_D_COND;
	const uint8_t *address = entry->addresses[remote];

	if (host->port != -1 && host->port != (remote ? entry->remote_port : entry->local_port))
		return false;
	if (host->family != entry->family) {
		if (host->family == AF_INET6 || memcmp(address, mapped, sizeof(mapped)) != 0)
			return false;
		address += 12;
	}
	return same_bits(address, (const uint8_t *)host->addr, host->prefix_len);
}

static bool op_holds(const struct inet_diag_bc_op *op, const struct entry *entry)
{
	switch (op->code) {
	case INET_DIAG_BC_S_GE:
		return entry->local_port >= op[1].no;
	case INET_DIAG_BC_S_LE:
		return entry->local_port <= op[1].no;
	case INET_DIAG_BC_S_EQ:
		return entry->local_port == op[1].no;
	case INET_DIAG_BC_D_GE:
		return entry->remote_port >= op[1].no;
	case INET_DIAG_BC_D_LE:
		return entry->remote_port <= op[1].no;
	case INET_DIAG_BC_D_EQ:
		return entry->remote_port == op[1].no;
	case INET_DIAG_BC_S_COND:
	case INET_DIAG_BC_D_COND:
		return host_holds(op, entry);
	default:
		return false;
	}
}

static bool runs(const char *code, size_t length, const struct entry *entry)
{
	size_t at = 0;

	while (at < length) {
		const struct inet_diag_bc_op *op = (const void *)(code + at);

		at += op_holds(op, entry) ? op->yes : op->no;
	}
	return at == length;
}

/* ---- sockets: as the kernel has them, and as sockdiag shows them */

static struct entry entries[] = {
	{AF_INET, TCP_LISTEN, "0.0.0.0", "0.0.0.0", 80, 0, {{0}}},
	{AF_INET, TCP_ESTABLISHED, "10.1.2.3", "127.0.0.1", 40000, 5000, {{0}}},
	{AF_INET, TCP_TIME_WAIT, "127.0.0.1", "192.168.7.9", 5000, 65535, {{0}}},
	{AF_INET6, TCP_LISTEN, "::", "::", 1, 0, {{0}}},
	{AF_INET6, TCP_LISTEN, "::ffff:127.0.0.1", "::", 5000, 0, {{0}}},
	{AF_INET6, TCP_CLOSE_WAIT, "::ffff:10.1.2.3", "::ffff:127.0.0.1", 80, 40000, {{0}}},
	{AF_INET6, TCP_FIN_WAIT2, "fd00::1", "::1", 5000, 80, {{0}}},
	{AF_INET6, TCP_SYN_RECV, "::1", "fd00::1", 80, 5000, {{0}}},
};

static struct tcp_endpoint endpoint_of(const struct entry *entry, bool remote)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	const void *from = &v4;
	struct tcp_endpoint end;

	v4.sin_port = v6.sin6_port = htons(remote ? entry->remote_port : entry->local_port);
	memcpy(&v4.sin_addr, entry->addresses[remote], 4);
	memcpy(&v6.sin6_addr, entry->addresses[remote], 16);
	if (entry->family == AF_INET6)
		from = &v6;
	CHECK(tcp_endpoint_from_sockaddr(from, &end) == 0);
	return end;
}

static struct socket_status status_of(const struct entry *entry)
{
	struct socket_status status = {
		.state = entry->state,
		.key.local = endpoint_of(entry, false),
		.key.remote = endpoint_of(entry, true),
	};

	if (entry->state == TCP_LISTEN && status.key.local.address.family == AF_INET)
		status.key.remote.address.family = AF_INET;
	return status;
}

static void check(const struct socket_filter *filter)
{
	const void *code;
	size_t length = socket_filter_bytecode(filter, &code);

	CHECK((length == 0) == (code == NULL));
	audit(code, length);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		struct entry *entry = &entries[i];
		struct socket_status status;

		CHECK(inet_pton(entry->family, entry->local, entry->addresses[0]) == 1);
		CHECK(inet_pton(entry->family, entry->remote, entry->addresses[1]) == 1);
		status = status_of(entry);
		if (!socket_filter_matches(filter, &status))
			continue;
		CHECK(socket_filter_states(filter) & 1U << status.state);
		CHECK(runs(code, length, entry));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct socket_filter *filter = NULL;
	struct why why = {0};
	size_t at = SIZE_MAX;
	char *text;
	int r;

	if (size > 100000)
		return 0;
	text = malloc(size + 1);
	CHECK(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	r = socket_filter_parse(text, &filter, &at, &why);
	if (r == 0) {
		check(filter);
		socket_filter_free(filter);
	} else {
		CHECK(r == -EINVAL && !filter && at <= strlen(text) && why.text[0]);
		for (const char *c = why.text; *c; c++)
			CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	}
	free(text);
	return 0;
}
