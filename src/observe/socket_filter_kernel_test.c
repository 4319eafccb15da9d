/*
 * Filters against the kernel and against ss(8): sockets of all states and families, and some
 * hundred filters made by chance, the same in each run. What a dump with bytecode and mask
 * leaves over must be what socket_filter_matches() takes out of a full one, and what ss prints.
 */
#include "observe/testnet.h"

#include <ctype.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/netns.h"
#include "observe/sockdiag.h"
#include "observe/socket_filter.h"
#include "observe/socket_testing.h"
#include "tcp/state.h"

static struct sockdiag *diag;
static struct mnl_socket *raw;

/* ---- sets of sockets: a line for each, in order */

struct row {
	int state;
	struct tcp_key key;
};

struct rows {
	struct row rows[256];
	size_t count;
};

static void add_row(struct rows *rows, int state, const struct tcp_key *key)
{
	assert_true(rows->count < ARRAY_SIZE(rows->rows));
	rows->rows[rows->count++] = (struct row){.state = state, .key = *key};
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->state != other->state)
		return one->state - other->state;
	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): padding is set to 0, too. */
	return memcmp(&one->key, &other->key, sizeof(one->key));
}

static void sort_rows(struct rows *rows)
{
	qsort(rows->rows, rows->count, sizeof(rows->rows[0]), compare_rows);
}

static bool same_rows(const struct rows *a, const struct rows *b)
{
	return a->count == b->count && memcmp(a->rows, b->rows, a->count * sizeof(a->rows[0])) == 0;
}

static void print_rows(const char *title, const struct rows *rows)
{
	char local[TCP_ENDPOINT_TEXT_MAX], remote[TCP_ENDPOINT_TEXT_MAX];

	print_error("%s: %zu\n", title, rows->count);
	for (size_t i = 0; i < rows->count; i++)
		print_error("\t%-12s %s %s\n", tcp_state_name(rows->rows[i].state),
			    tcp_endpoint_format(&rows->rows[i].key.local, local),
			    tcp_endpoint_format(&rows->rows[i].key.remote, remote));
}

struct sieve {
	const struct socket_filter *filter; /* NULL: all */
	struct rows *rows;
};

static int sift(const struct socket_status *status, void *context)
{
	struct sieve *sieve = context;

	if (!sieve->filter || socket_filter_matches(sieve->filter, status))
		add_row(sieve->rows, status->state, &status->key);
	return 0;
}

/* The sockets of a full dump that @filter matches. */
static struct rows matched(const struct socket_filter *filter)
{
	struct rows rows = {0};
	struct sieve sieve = {.filter = filter, .rows = &rows};

	assert_int_equal(sockdiag_dump(diag, AF_UNSPEC, 0, sift, &sieve), 0);
	assert_true(rows.count > 0 || filter);
	sort_rows(&rows);
	return rows;
}

/* ---- a dump with bytecode, by hand */

static struct tcp_endpoint endpoint_of(int family, const __be32 *address, __be16 port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
	struct tcp_endpoint end = {0};

	memcpy(&v4.sin_addr, address, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, address, sizeof(v6.sin6_addr));
	assert_int_equal(tcp_endpoint_from_sockaddr(family == AF_INET ? (struct sockaddr *)&v4
								      : (struct sockaddr *)&v6,
						    &end),
			 0);
	return end;
}

/* "::" is 0.0.0.0 when the other end is at a v4-mapped address. */
static void unify(struct tcp_key *key)
{
	static const uint8_t none[16];

	if (key->local.address.family == AF_INET && key->remote.port == 0 &&
	    memcmp(key->remote.address.bytes, none, sizeof(none)) == 0)
		key->remote.address.family = AF_INET;
}

static int keep_message(const struct nlmsghdr *header, void *context)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	const struct inet_diag_sockid *id = &message->id;
	struct socket_status status = {
		.state = message->idiag_state,
		.key.local = endpoint_of(message->idiag_family, id->idiag_src, id->idiag_sport),
		.key.remote = endpoint_of(message->idiag_family, id->idiag_dst, id->idiag_dport),
	};

	unify(&status.key);
	sift(&status, context);
	return MNL_CB_OK;
}

static struct nlmsghdr *put_request(char *buffer, int family, uint32_t states)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *one;
	struct inet_diag_req *both;

	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (family == AF_UNSPEC) {
		header->nlmsg_type = TCPDIAG_GETSOCK;
		both = mnl_nlmsg_put_extra_header(header, sizeof(*both));
		both->idiag_states = states;
	} else {
		header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
		one = mnl_nlmsg_put_extra_header(header, sizeof(*one));
		one->sdiag_family = (uint8_t)family;
		one->sdiag_protocol = IPPROTO_TCP;
		one->idiag_states = states;
	}
	return header;
}

/* What the kernel leaves over for @filter; and of that, if @again, what matches. */
static void dump(const struct socket_filter *filter, int family, bool again, struct rows *ret)
{
	static char buffer[32768] __attribute__((aligned(8)));
	uint32_t states = socket_filter_states(filter);
	struct sieve sieve = {.filter = again ? filter : NULL, .rows = ret};
	struct nlmsghdr *header = put_request(buffer, family, states);
	const void *code;
	size_t length = socket_filter_bytecode(filter, &code);
	ssize_t n;
	int r = MNL_CB_OK;

	if (states == 0)
		return;
	if (length > 0)
		mnl_attr_put(header, INET_DIAG_REQ_BYTECODE, length, code);
	assert_true(mnl_socket_sendto(raw, header, header->nlmsg_len) > 0);
	while (r == MNL_CB_OK) {
		n = mnl_socket_recvfrom(raw, buffer, sizeof(buffer));
		assert_true(n > 0);
		r = mnl_cb_run(buffer, (size_t)n, 0, 0, keep_message, &sieve);
	}
	assert_int_equal(r, MNL_CB_STOP);
}

static struct rows dumped(const struct socket_filter *filter, bool both, bool again)
{
	struct rows rows = {0};

	if (both) {
		dump(filter, AF_UNSPEC, again, &rows);
	} else {
		dump(filter, AF_INET, again, &rows);
		dump(filter, AF_INET6, again, &rows);
	}
	sort_rows(&rows);
	return rows;
}

/* ---- filters made by chance */

static uint32_t seed;

static uint32_t chance(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

#define ONE_OF(array) (array)[chance(ARRAY_SIZE(array))]

static const char *const ports[] = {"0",     "1",     "80",    "5000",	"5001",	 "5002",  "5004",
				    "5010",  "5011",  "40000", "40001", "40002", "40005", "40008",
				    "40013", "40016", "40020", "40024", "65535", "6000"};
static const char *const operators[] = {
	"", "=", "==", "!=", ">", "<", ">=", "<=", "eq", "ne", "gt", "lt", "ge", "le"};
/* The same to ss: it does not take 0.0.0.0 for the peer of a v4-mapped listener, nor v4-mapped
 * addresses for other than IPv6 ones. */
static const char *const networks[] = {"127.0.0.1",    "127.0.0.2",    "127.0.0.4", "127.0.0.1/8",
				       "127.0.0.4/30", "127.9.0.0/16", "10/8",	    "127/8",
				       "[::1]",	       "[fd00::1/8]",  "[::1/128]", "[2000::/3]",
				       "127.0.0.1",    "127.0.0.0/31"};
static const char *const our_networks[] = {"0.0.0.0/0",
					   "0.0.0.0",
					   "[::]",
					   "[::]/0",
					   "[::/64]",
					   "[::ffff:127.0.0.1]",
					   "[::ffff:0:0/96]",
					   "[::ffff:0:0/95]",
					   "[::fffe:0:0/96]",
					   "inet:*",
					   "inet6:*",
					   "0.0.0.0/1",
					   "[::]/127",
					   "[::ffff:127.0.0.0/104]"};
static const char *const states[] = {"established",  "syn-sent",  "syn-recv",	"fin-wait-1",
				     "fin-wait-2",   "time-wait", "close-wait", "last-ack",
				     "listening",    "closing",	  "all",	"connected",
				     "synchronized", "bucket",	  "big",	"closed"};

static void write_port(FILE *out)
{
	fprintf(out, "%s %s %s%s ", chance(2) ? "sport" : "dport", ONE_OF(operators),
		chance(2) ? ":" : "", ONE_OF(ports));
}

static void write_host(FILE *out, bool for_ss)
{
	static const char *const equal[] = {"", "=", "=="};
	bool port = chance(3) == 0, ours = !for_ss && chance(2);

	fprintf(out, "%s ", chance(2) ? "src" : "dst");
	if (!for_ss && chance(4) == 0)
		fprintf(out, "!= ");
	else
		fprintf(out, "%s ", ONE_OF(equal));
	if (chance(8) == 0)
		fprintf(out, chance(2) ? "*" : "");
	else
		fprintf(out, "%s", ours ? ONE_OF(our_networks) : ONE_OF(networks));
	fprintf(out, port ? ":%s " : ":* ", ONE_OF(ports));
}

static void write_states(FILE *out)
{
	fprintf(out, "%s %s ", chance(3) ? "state" : "exclude", ONE_OF(states));
	if (chance(3) == 0)
		fprintf(out, "%s %s ", chance(2) ? "state" : "exclude", ONE_OF(states));
}

static void write_expression(FILE *out, int depth, bool for_ss)
{
	static const char *const signs[][3] = {{"and", "&&", ""}, {"or", "||", "|"}};
	uint32_t parts, sign = chance(2);

	if (chance(4) == 0)
		fprintf(out, chance(2) ? "not " : "! ");
	if (depth == 0 || chance(3) == 0) {
		if (!for_ss && chance(4) == 0)
			write_states(out);
		else if (chance(2))
			write_port(out);
		else
			write_host(out, for_ss);
		return;
	}
	parts = 1 + chance(3);
	fprintf(out, "( ");
	for (uint32_t i = 0; i < parts; i++) {
		if (i > 0)
			fprintf(out, "%s ", signs[sign][chance(3)]);
		write_expression(out, depth - 1, for_ss);
	}
	fprintf(out, ") ");
}

#define TEXT_MAX 2048

static void make_filter(char *text, bool for_ss, bool states_first)
{
	FILE *out = fmemopen(text, TEXT_MAX, "w");

	assert_non_null(out);
	if (states_first)
		write_states(out);
	if (!states_first || chance(4))
		write_expression(out, (int)chance(4), for_ss);
	fclose(out);
}

static struct socket_filter *parse(const char *text)
{
	struct socket_filter *filter = NULL;
	struct why why = {0};
	size_t at = 0;

	if (socket_filter_parse(text, &filter, &at, &why) != 0)
		fail_msg("%s: at %zu: %s", text, at, why.text);
	return filter;
}

/* ---- the tests */

static void test_sockets(void **state)
{
	int64_t give_up = clock_now_ns() + 20 * NS_PER_S;
	unsigned want = 0xffe, seen, v6, v4;
	struct rows rows;

	(void)state;
	NEEDS_NAMESPACE();
	do {
		rows = matched(NULL);
		seen = v6 = v4 = 0;
		for (size_t i = 0; i < rows.count; i++) {
			seen |= 1U << rows.rows[i].state;
			v6 += rows.rows[i].key.local.address.family == AF_INET6;
			v4 += rows.rows[i].key.local.address.family == AF_INET;
		}
		sched_yield();
	} while (seen != want && clock_now_ns() < give_up);
	if (seen != want)
		print_rows("all", &rows);
	assert_int_equal(seen, want);
	assert_true(v6 > 5 && v4 > 20);
}

static void compare(const char *text, const char *what, const struct rows *want,
		    const struct rows *got)
{
	if (same_rows(want, got))
		return;
	print_rows("matched in a full dump", want);
	print_rows(what, got);
	fail_msg("%s", text);
}

/* Whether what was found at first is not there any more: TIME-WAIT ends some time. */
static bool changed(const struct socket_filter *filter, struct rows *rows)
{
	struct rows now = matched(filter);
	bool r = !same_rows(rows, &now);

	*rows = now;
	return r;
}

/* @exact: the kernel has done it all. */
static void check_dump(const char *text, bool both, bool exact)
{
	struct socket_filter *filter = parse(text);
	struct rows want = matched(filter), got;

	do {
		got = dumped(filter, both, !exact);
	} while (!same_rows(&want, &got) && changed(filter, &want));
	compare(text, both ? "with bytecode" : "with bytecode, by family", &want, &got);
	socket_filter_free(filter);
}

static void test_kernel(void **state)
{
	char text[TEXT_MAX];
	size_t with_code = 0, found = 0;

	(void)state;
	NEEDS_NAMESPACE();
	seed = 2463534242;
	for (int i = 0; i < 400; i++) {
		struct socket_filter *filter;
		const void *code;
		struct rows rows;

		make_filter(text, false, chance(2));
		check_dump(text, true, false);
		check_dump(text, false, false);
		filter = parse(text);
		with_code += socket_filter_bytecode(filter, &code) > 0;
		rows = matched(filter);
		found += rows.count > 0;
		socket_filter_free(filter);
	}
	/* They say something, and not nothing. */
	assert_true(with_code > 150);
	assert_true(found > 150);
}

/* States before, and conditions that the kernel knows: nothing is left to us. */
static void test_kernel_alone(void **state)
{
	static const char *const texts[] = {
		"src 127.0.0.1",
		"not src 127.0.0.1",
		"dst 0/0",
		"not dst 0/0",
		"dst [::]/0",
		"not dst [::]/0",
		"dst [::]",
		"dst 0.0.0.0",
		"not dst [::]",
		"src [::]/0",
		"not src [::]/0",
		"src inet:*",
		"state time-wait sport = :5002",
		"state time-wait src 127.0.0.5",
		"state time-wait not dst 127.0.0.5",
		"state syn-recv sport >= :5011",
		"state fin-wait-2 dport = :80",
		"state listening sport > :5000",
		"state closed sport = :6000",
		"sport > 65535",
		"not sport > 65535",
	};
	char text[TEXT_MAX];

	(void)state;
	NEEDS_NAMESPACE();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		check_dump(texts[i], i % 2, true);
	seed = 88675123;
	for (int i = 0; i < 200; i++) {
		make_filter(text, true, chance(2));
		check_dump(text, i % 2, true);
	}
}

/* ---- ss */

/* Its words for a filter of ours, one for each argument. */
static void exec_ss(char *text, int out)
{
	char *arguments[TEXT_MAX / 2 + 4] = {"ss", "-tanH"};
	size_t count = 2;

	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	dup2(out, STDOUT_FILENO);
	execvp(arguments[0], arguments);
	_exit(127);
}

/* What it prints, in @ret; its exit status. */
static int run_ss(const char *text, char *ret, size_t size)
{
	char copy[TEXT_MAX];
	size_t length = 0;
	ssize_t n = 1;
	int out[2], status;
	pid_t child;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	strcpy(copy, text);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		exec_ss(copy, out[1]);
	close(out[1]);
	for (; n > 0 && length < size - 1; length += (size_t)n)
		n = read(out[0], ret + length, size - 1 - length);
	assert_int_equal(n, 0);
	ret[length] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* "127.0.0.1:80", "[::1]:80", "*:80", "0.0.0.0:*" */
static struct tcp_endpoint read_endpoint(char *text)
{
	char *colon = strrchr(text, ':'), *address = text;
	struct in6_addr v6;
	struct in_addr v4;

	assert_non_null(colon);
	*colon = '\0';
	if (*address == '[') {
		address++;
		colon[-1] = '\0';
	}
	if (strcmp(address, "*") == 0)
		address = "::";
	if (inet_pton(AF_INET, address, &v4) == 1)
		return endpoint_of(AF_INET, (__be32[4]){v4.s_addr},
				   htons((uint16_t)atoi(colon + 1)));
	assert_int_equal(inet_pton(AF_INET6, address, &v6), 1);
	return endpoint_of(AF_INET6, v6.s6_addr32, htons((uint16_t)atoi(colon + 1)));
}

/* "STATE 0 0 LOCAL PEER"; without the first when there is one state only. */
static void read_line(char *line, struct rows *rows, bool *no_states)
{
	char *fields[8] = {NULL}, *save = NULL, *field = strtok_r(line, " ", &save);
	int state = 0;
	size_t n = 0;
	struct tcp_key key;

	for (; field && n < ARRAY_SIZE(fields); field = strtok_r(NULL, " ", &save))
		fields[n++] = field;
	if (n < 4) {
		fail_msg("a line of ss with %zu words", n);
		return;
	}
	if (isalpha((unsigned char)*fields[0])) {
		assert_true(n >= 5);
		state = tcp_state_parse(fields[0]);
		assert_true(state > 0);
		memmove(fields, fields + 1, 4 * sizeof(fields[0]));
	} else {
		*no_states = true;
	}
	key = (struct tcp_key){.local = read_endpoint(fields[2]),
			       .remote = read_endpoint(fields[3])};
	unify(&key);
	add_row(rows, state, &key);
}

static void read_ss(char *text, struct rows *ret, bool *no_states)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		read_line(line, ret, no_states);
	sort_rows(ret);
}

/* It does not ask for sockets that are only bound, and may not tell states. */
static void as_ss_sees_it(struct rows *rows, bool no_states)
{
	size_t kept = 0;

	for (size_t i = 0; i < rows->count; i++) {
		if (rows->rows[i].state == TCP_CLOSE)
			continue;
		rows->rows[kept] = rows->rows[i];
		if (no_states)
			rows->rows[kept].state = 0;
		kept++;
	}
	memset(rows->rows + kept, 0, (rows->count - kept) * sizeof(rows->rows[0]));
	rows->count = kept;
	sort_rows(rows);
}

static void compare_with_ss(const char *text, const struct socket_filter *filter)
{
	static char printed[65536];
	struct rows whole = matched(filter), want, got;
	bool no_states;

	do {
		if (run_ss(text, printed, sizeof(printed)) != 0)
			fail_msg("ss does not take it: %s", text);
		got = (struct rows){0};
		no_states = false;
		read_ss(printed, &got, &no_states);
		want = whole;
		as_ss_sees_it(&want, no_states);
	} while (!same_rows(&want, &got) && changed(filter, &whole));
	compare(text, "ss", &want, &got);
}

static void check_ss(const char *text)
{
	struct socket_filter *filter = parse(text);

	/* No state at all is an error there, or means the default. */
	if (socket_filter_states(filter) != 0)
		compare_with_ss(text, filter);
	socket_filter_free(filter);
}

static void test_ss(void **state)
{
	static char printed[65536];
	char text[TEXT_MAX];

	(void)state;
	NEEDS_NAMESPACE();
	if (run_ss("", printed, sizeof(printed)) != 0) {
		print_message("no ss(8) to compare with\n");
		skip();
	}
	seed = 521288629;
	for (int i = 0; i < 300; i++) {
		make_filter(text, true, chance(2));
		check_ss(text);
	}
}

static int set_up(void **state)
{
	CLEANUP_CLOSE int here = -1;
	struct why why = {0};

	(void)state;
	if (not_alone)
		return 0;
	here = netns_open_current();
	if (sockdiag_open(here, &diag, &why) != 0) {
		print_error("%s\n", why.text);
		return -1;
	}
	raw = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!raw || mnl_socket_bind(raw, 0, MNL_SOCKET_AUTOPID) < 0)
		return -1;
	sockets_make();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sockdiag_close(diag);
	if (raw)
		mnl_socket_close(raw);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_kernel_alone),
		cmocka_unit_test(test_ss),
	};

	be_alone();
	return cmocka_run_group_tests_name("socket filter and kernel", tests, set_up, tear_down);
}
