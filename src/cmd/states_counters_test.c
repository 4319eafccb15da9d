/* contest states --counters: what is printed of counters that the test made, and what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "base/testnet.h"
#include "cmd/states_counters.h"

static const char snmp[] = "Tcp: MaxConn ActiveOpens EstabResets CurrEstab OutRsts\n"
			   "Tcp: -1 70 0 12 9000000000000\n";
static const char netstat[] = "TcpExt: TW ListenOverflows TCPMemoryPressures\nTcpExt: 5 3 0\n"
			      "IpExt: InOctets\nIpExt: 1\n";
static const char sockstat[] = "sockets: used 3\n"
			       "TCP: inuse 20 orphan 95 tw 40 alloc 7 mem 256\n"
			       "UDP: inuse 1 mem 2\n";

static struct states_counters_net made(void)
{
	struct states_counters_net net = {
		.inode = 77,
		.label = "own",
		.limits =
			{
				[LIMIT_TW_BUCKETS] = {{80}, 1},
				[LIMIT_SOMAXCONN] = {{4096}, 1},
				[LIMIT_ORPHANS] = {{100}, 1},
				[LIMIT_MEMORY] = {{100, 256, 512}, 3},
			},
	};

	assert_int_equal(counters_parse_table(&net.counters, snmp), 0);
	assert_int_equal(counters_parse_table(&net.counters, netstat), 0);
	assert_int_equal(counters_parse_sockstat(&net.counters, sockstat), 0);
	counters_sort(&net.counters);
	return net;
}

/* What one of both ways prints of @look (owned by the caller). */
static char *print(const struct states_counters *look, bool json, bool color)
{
	struct screen screen = {.width = 250, .color = color};
	char *text = NULL;
	size_t length;

	screen.out = open_memstream(&text, &length);
	assert_non_null(screen.out);
	if (json)
		states_counters_json(screen.out, look);
	else
		assert_int_equal(states_counters_text(&screen, look), 0);
	fclose(screen.out);
	return text;
}

/* Whether @expected is in @text, behind an empty line; blanks count once. */
static bool has_line(const char *text, const char *expected)
{
	CLEANUP_FREE char *single = malloc(strlen(text) + 2);
	char *to = single;

	assert_non_null(single);
	*to++ = '\n';
	for (; *text; text++)
		if (*text != ' ' || to[-1] != ' ')
			*to++ = *text;
	*to = '\0';
	return strstr(single, expected) != NULL;
}

#define CHECK_LINE(text, expected)                                                                 \
	do {                                                                                       \
		if (!has_line(text, expected))                                                     \
			fail_msg("no line '%s' in:\n%s", expected, text);                          \
	} while (0)

#define CHECK_NO(text, unexpected)                                                                 \
	do {                                                                                       \
		if (strstr(text, unexpected))                                                      \
			fail_msg("'%s' in:\n%s", unexpected, text);                                \
	} while (0)

static void test_text(void **state)
{
	struct states_counters_net net = made();
	struct states_counters look = {.nets = &net, .net_count = 1};
	CLEANUP_FREE char *text = print(&look, false, false);
	char memory[128];

	(void)state;
	CHECK_LINE(text, "\nWhat the kernel has counted of TCP in this network namespace; ");
	CHECK_LINE(text, "\nESTAB + CLOSE-WAIT 12 both together ");
	CHECK_LINE(text, "\nMinisocks 40 80 50.0% TIME-WAIT, and FIN-WAIT-2 ");
	CHECK_LINE(text, "(tw); limit: net.ipv4.tcp_max_tw_buckets\n");
	CHECK_LINE(text, "\nIn use, IPv4 20 full sockets ");
	CHECK_LINE(text, "\nOrphans 95 100 95.0% of the whole machine: ");
	CHECK_LINE(text, "\nAllocated 7 of the whole machine: ");
	snprintf(memory, sizeof(memory),
		 "\nMemory, KiB %ld %ld 50.0%% of the whole machine: ", sysconf(_SC_PAGESIZE) / 4,
		 sysconf(_SC_PAGESIZE) / 2);
	CHECK_LINE(text, memory);
	snprintf(memory, sizeof(memory), "; scarce from %ld on: net.ipv4.tcp_mem\n",
		 sysconf(_SC_PAGESIZE) / 4);
	CHECK_LINE(text, memory);
	CHECK_LINE(text, "\nActiveOpens 70 connections begun by connect()\n");
	CHECK_LINE(text, "\nOutRsts 9000000000000 RST sent");
	CHECK_LINE(text, "\nListenOverflows 3 dropped by listeners: too many wait for accept() "
			 "(net.core.somaxconn: 4096)\n");
	/* 0, or not there: kernels differ, and one may have no IPv6. */
	CHECK_NO(text, "EstabResets");
	CHECK_NO(text, "TCPMemoryPressures");
	CHECK_NO(text, "PassiveOpens");
	CHECK_NO(text, "IPv6");
	counters_done(&net.counters);
}

/* What nears its limit is seen. */
static void test_color(void **state)
{
	struct states_counters_net net = made();
	struct states_counters look = {.nets = &net, .net_count = 1};
	CLEANUP_FREE char *text = print(&look, false, true);
	CLEANUP_FREE char *calm = NULL;

	(void)state;
	assert_non_null(strstr(text, "\033[33m50.0%")); /* yellow, and red */
	assert_non_null(strstr(text, "\033[1;31m95.0%"));
	net.limits[LIMIT_ORPHANS].values[0] = 1000;
	calm = print(&look, false, true);
	assert_non_null(strstr(calm, "  9.5%"));
	counters_done(&net.counters);
}

static void test_limits(void **state)
{
	struct states_counters_net net = made();
	struct states_counters look = {.nets = &net, .net_count = 1};
	CLEANUP_FREE char *text = NULL, *json = NULL;

	(void)state;
	net.limits[LIMIT_TW_BUCKETS].values[0] = 0; /* none at all may be */
	net.limits[LIMIT_ORPHANS].count = net.limits[LIMIT_MEMORY].count = 0;
	net.limits[LIMIT_SOMAXCONN].count = 0;
	text = print(&look, false, false);
	CHECK_LINE(text, "\nMinisocks 40 0 TIME-WAIT");
	CHECK_LINE(text, "\nOrphans 95 of the whole machine: ");
	CHECK_LINE(text, "; net.ipv4.tcp_max_orphans is not shown in this namespace\n");
	CHECK_LINE(text, "; net.ipv4.tcp_mem is not shown in this namespace\n");
	CHECK_LINE(text, "too many wait for accept()\n");
	json = print(&look, true, false);
	CHECK_LINE(json, "\"limits\":{\"net.ipv4.tcp_max_tw_buckets\":0},");
	counters_done(&net.counters);
}

static void test_json(void **state)
{
	struct states_counters_net nets[] = {made(), made()};
	struct states_counters look = {.nets = nets, .net_count = 2, .closed = 4};
	CLEANUP_FREE char *text = NULL;
	char *second;

	(void)state;
	strcpy(nets[1].label, "\033[31m\"x");
	text = print(&look, true, false);
	assert_non_null(strstr(
		text,
		"\"netns\":\"own\",\"inode\":77,\"counters\":{\"Tcp.ActiveOpens\":70,"
		"\"Tcp.CurrEstab\":12,\"Tcp.EstabResets\":0,\"Tcp.MaxConn\":-1,"
		"\"Tcp.OutRsts\":9000000000000,\"TcpExt.ListenOverflows\":3,"
		"\"TcpExt.TCPMemoryPressures\":0,\"TcpExt.TW\":5,\"sockstat.TCP.alloc\":7,"
		"\"sockstat.TCP.inuse\":20,\"sockstat.TCP.mem\":256,\"sockstat.TCP.orphan\":95,"
		"\"sockstat.TCP.tw\":40},"
		"\"machine_wide\":[\"sockstat.TCP.alloc\",\"sockstat.TCP.mem\","
		"\"sockstat.TCP.orphan\"],"
		"\"limits\":{\"net.ipv4.tcp_max_tw_buckets\":80,\"net.core.somaxconn\":4096,"
		"\"net.ipv4.tcp_max_orphans\":100,\"net.ipv4.tcp_mem\":[100,256,512]},"));
	assert_non_null(
		strstr(text, "\"namespaces_closed\":4}\n{\"schema\":\"contest.states/1\","));
	second = strchr(text, '\n') + 1;
	assert_non_null(strstr(second, "\"netns\":\"\\u001b[31m\\\"x\""));
	assert_ptr_equal(strchr(second, '\n') + 1, text + strlen(text));
	counters_done(&nets[0].counters);
	counters_done(&nets[1].counters);
}

/* Of several each has its name, made harmless. */
static void test_names(void **state)
{
	struct states_counters_net nets[] = {made(), made()};
	struct states_counters look = {.nets = nets, .net_count = 2, .netns = "all"};
	CLEANUP_FREE char *text = NULL;

	(void)state;
	strcpy(nets[1].label, "\033[31m\n(7)");
	text = print(&look, false, false);
	CHECK_LINE(text, "\nWhat the kernel has counted of TCP in the network namespace own; ");
	CHECK_LINE(text, "\n\nWhat the kernel has counted of TCP in the network namespace "
			 "\\x1b[31m\\x0a(7); ");
	counters_done(&nets[0].counters);
	counters_done(&nets[1].counters);
}

static void test_take(void **state)
{
	struct states_counters look;
	struct why why = {0};

	(void)state;
	NEEDS_NAMESPACE();
	assert_int_equal(states_counters_take(&look, NULL, &why), 0);
	assert_int_equal(look.net_count, 1);
	assert_string_equal(look.nets[0].label, "own");
	assert_int_equal(counters_value(&look.nets[0].counters, "sockstat.TCP.inuse", -1), 0);
	assert_int_equal(look.nets[0].limits[LIMIT_SOMAXCONN].count, 1);
	states_counters_done(&look);
	assert_int_equal(states_counters_take(&look, "nowhere", &why), -ENOENT);
	assert_non_null(strstr(why.text, "nowhere"));
	states_counters_done(&look);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

/* As a process of its own: 0, or the line where it was otherwise. */
static int look_without_privilege(void)
{
	int home = netns_open_current(), other;
	struct states_counters look;
	struct why why = {0};
	char path[32];

	other = unshare(CLONE_NEWNET) < 0 ? -1 : netns_open_current();
	if (home < 0 || other < 0 || setns(home, CLONE_NEWNET) < 0 || drop_capabilities() < 0)
		return __LINE__;
	if (states_counters_take(&look, NULL, &why) < 0)
		return __LINE__;
	states_counters_done(&look);
	/* By another name. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", home);
	if (states_counters_take(&look, path, &why) < 0 || look.net_count != 1)
		return __LINE__;
	states_counters_done(&look);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", other);
	if (states_counters_take(&look, path, &why) != -EPERM || look.net_count != 0)
		return __LINE__;
	states_counters_done(&look);
	return strstr(why.text, " may not be entered; root may") ? 0 : __LINE__;
}

/* One's own namespace needs none, whatever its name; another one does. */
static void test_without_privilege(void **state)
{
	int status;
	pid_t child;

	(void)state;
	NEEDS_NAMESPACE();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int line = look_without_privilege();

		if (line)
			print_message("line %d\n", line);
		_exit(line != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_without_privilege),
	};

	be_alone();
	return cmocka_run_group_tests_name("contest states --counters", tests, NULL, NULL);
}
