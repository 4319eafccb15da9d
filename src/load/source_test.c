#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "load/source.h"

static void assert_at(const struct load_source *sources, size_t count, uint64_t index,
		      const char *expected)
{
	struct tcp_address address, wanted;
	char text[TCP_ENDPOINT_TEXT_MAX];

	load_sources_at(sources, count, index, &address);
	assert_string_equal(tcp_address_format(&address, text), expected);
	/* nothing but the address in it: it is compared and hashed by some */
	assert_int_equal(tcp_address_parse(expected, &wanted), 0);
	assert_memory_equal(&address, &wanted, sizeof(wanted));
}

static const struct {
	const char *text, *first, *last;
	uint64_t count;
} good[] = {
	{"10.0.0.1", "10.0.0.1", "10.0.0.1", 1},
	{"fd00::1", "fd00::1", "fd00::1", 1},
	{"10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", 9},
	{"10.0.0.9-10.0.0.9", "10.0.0.9", "10.0.0.9", 1},
	{"10.0.255.250-10.1.0.5", "10.0.255.250", "10.1.0.5", 12},
	{"255.255.255.255-255.255.255.255", "255.255.255.255", "255.255.255.255", 1},
	{"0.0.0.0-0.255.255.255", "0.0.0.0", "0.255.255.255", 1 << 24},
	{"fd00::1-fd00::9", "fd00::1", "fd00::9", 9},
	{"fd00::ffff:ffff:ffff:fffe-fd00:0:0:1::1", "fd00::ffff:ffff:ffff:fffe", "fd00:0:0:1::1",
	 4},
	{"1111:2222:3333:4444:5555:6666:7777:0000-1111:2222:3333:4444:5555:6666:7777:ffff",
	 "1111:2222:3333:4444:5555:6666:7777:0", "1111:2222:3333:4444:5555:6666:7777:ffff", 65536},
	/* networks without their own and their broadcast address */
	{"10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254},
	{"10.0.0.77/24", "10.0.0.1", "10.0.0.254", 254},
	{"10.0.0.0/30", "10.0.0.1", "10.0.0.2", 2},
	{"10.0.0.0/8", "10.0.0.1", "10.255.255.254", (1 << 24) - 2},
	{"128.0.0.0/8", "128.0.0.1", "128.255.255.254", (1 << 24) - 2},
	{"10.0.0.5/31", "10.0.0.4", "10.0.0.5", 2}, /* RFC 3021 */
	{"10.0.0.5/32", "10.0.0.5", "10.0.0.5", 1},
	/* all of loopback but 127.255.255.255 */
	{"127.0.0.0/24", "127.0.0.0", "127.0.0.255", 256},
	{"127.0.0.1/8", "127.0.0.0", "127.255.255.254", (1 << 24) - 1},
	{"127.255.255.0/24", "127.255.255.0", "127.255.255.254", 255},
	{"127.255.254.0/24", "127.255.254.0", "127.255.254.255", 256},
	{"127.255.255.255/32", "127.255.255.255", "127.255.255.255", 1},
	{"fd00::/112", "fd00::", "fd00::ffff", 65536},
	{"fd00::1:2345/112", "fd00::1:0", "fd00::1:ffff", 65536},
	{"fd00::/104", "fd00::", "fd00::ff:ffff", 1 << 24},
	{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
	 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2},
	{"fd00::7/128", "fd00::7", "fd00::7", 1},
	{"::/128", "::", "::", 1},
};

static void test_good(void **state)
{
	struct load_source source;
	struct why why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		print_message("%s\n", good[i].text);
		assert_int_equal(load_source_parse(good[i].text, &source, &why), 0);
		assert_int_equal(source.count, good[i].count);
		assert_at(&source, 1, 0, good[i].first);
		assert_at(&source, 1, source.count - 1, good[i].last);
	}
}

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "not an address"},
	{"-", "not an address"},
	{"/", "not an address"},
	{"/24", "not an address"},
	{"localhost", "not an address"},
	{"10.0.0", "not an address"},
	{"10.0.0.256", "not an address"},
	{" 10.0.0.1", "not an address"},
	{"10.0.0.1 ", "not an address"},
	{"10.0.0.1:80", "not an address"},
	{"[fd00::1]", "not an address"},
	{"fd00::1%lo", "not an address"},
	{"10.0.0.1-", "not an address"},
	{"-10.0.0.1", "not an address"},
	{"10.0.0.1-9", "not an address"},
	{"10.0.0.1-10.0.0.2-10.0.0.3", "not an address"},
	{"10.0.0.1-10.0.0.0/24", "not an address"},
	{"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", "not an address"},
	{"10.0.0.9-10.0.0.1", "runs backwards"},
	{"fd00:0:0:1::-fd00::1", "runs backwards"},
	{"10.0.0.1-fd00::1", "one end is IPv4"},
	{"fd00::1-10.0.0.1", "one end is IPv4"},
	{"0.0.0.0-1.0.0.0", "too large"},
	{"0.0.0.0-255.255.255.255", "too large"},
	{"fd00::-fd00:0:0:1::", "too large"},
	{"fd00::-fe00::", "too large"},
	{"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "too large"},
	{"10.0.0.0/7", "too large"},
	{"0.0.0.0/0", "too large"},
	{"fd00::/103", "too large"},
	{"::/0", "too large"},
	{"10.0.0.0/33", "a prefix has"},
	{"fd00::/129", "a prefix has"},
	{"10.0.0.0/", "a prefix has"},
	{"10.0.0.0/-1", "a prefix has"},
	{"10.0.0.0/ 8", "a prefix has"},
	{"10.0.0.0/24x", "a prefix has"},
	{"10.0.0.0/0x18", "a prefix has"},
	{"10.0.0.0/255.255.255.0", "a prefix has"},
	{"10.0.0.0/4294967320", "a prefix has"},
};

static void test_bad(void **state)
{
	struct load_source source, before;
	struct why why;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		print_message("\"%s\"\n", bad[i].text);
		source = before;
		why.text[0] = '\0';
		assert_int_equal(load_source_parse(bad[i].text, &source, &why), -EINVAL);
		assert_memory_equal(&source, &before, sizeof(before));
		assert_non_null(strstr(why.text, bad[i].why));
		assert_memory_equal(why.text, bad[i].text, strlen(bad[i].text));
	}
	assert_int_equal(load_source_parse("x", &source, NULL), -EINVAL);
}

/* Every address of several sources, in their order, none twice. */
static void test_several(void **state)
{
	static const char *const texts[] = {"10.0.0.254-10.0.1.1", "fd00::7", "127.0.0.0/30"};
	static const char *const all[] = {
		"10.0.0.254", "10.0.0.255", "10.0.1.0",	 "10.0.1.1",  "fd00::7",
		"127.0.0.0",  "127.0.0.1",  "127.0.0.2", "127.0.0.3",
	};
	struct load_source sources[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(load_source_parse(texts[i], &sources[i], NULL), 0);
	assert_int_equal(load_sources_total(sources, 3), ARRAY_SIZE(all));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_at(sources, 3, i, all[i]);
	assert_int_equal(load_sources_total(sources, 0), 0);
	assert_int_equal(load_sources_total(NULL, 0), 0);
}

static bool is_private(const char *text)
{
	struct tcp_address address;

	assert_int_equal(tcp_address_parse(text, &address), 0);
	return load_is_private(&address);
}

/* Of each network the addresses before its first, its first, its last, and the one behind. */
static const struct {
	const char *before, *first, *last, *behind;
} networks[] = {
	{"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
	{"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
	{"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
	{"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
	{"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
	{"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
	{"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
	{"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
	{"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
	{"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
	{"ffff::", "::", "::1", "::2"}, /* the unspecified one, and loopback */
	{"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	 "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
	{"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	 "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::"},
	{"2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff",
	 "2001:2:1::"},
	{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
	 "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
};

static bool is_mapped_private(const char *v4)
{
	char text[64] = "::ffff:";

	strcat(text, v4);
	return is_private(text);
}

/* Each address is found where it is, and its neighbours outside are not. */
static void test_find(void **state)
{
	static const char *const texts[] = {"10.0.0.250-10.0.1.9", "fd00::fff0-fd00::1:10",
					    "127.0.0.0/28"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct load_source source, wider;
		struct tcp_address address;
		uint64_t at;

		assert_int_equal(load_source_parse(texts[i], &source, NULL), 0);
		for (uint64_t k = 0; k < source.count; k++) {
			load_sources_at(&source, 1, k, &address);
			assert_true(load_source_find(&source, &address, &at));
			assert_int_equal(at, k);
		}
		wider = source;
		wider.count++;
		load_sources_at(&wider, 1, source.count, &address);
		assert_false(load_source_find(&source, &address, &at));
		address = source.first;
		address.bytes[address.family == AF_INET ? 3 : 15]--;
		if (address.bytes[address.family == AF_INET ? 3 : 15] != 255)
			assert_false(load_source_find(&source, &address, &at));
		address.family = address.family == AF_INET ? AF_INET6 : AF_INET;
		assert_false(load_source_find(&source, &address, &at));
	}
}

static void test_private(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		print_message("%s\n", networks[i].first);
		assert_false(is_private(networks[i].before));
		assert_true(is_private(networks[i].first));
		assert_true(is_private(networks[i].last));
		assert_false(is_private(networks[i].behind));
		if (strchr(networks[i].first, ':'))
			continue;
		assert_false(is_mapped_private(networks[i].before));
		assert_true(is_mapped_private(networks[i].first));
		assert_true(is_mapped_private(networks[i].last));
		assert_false(is_mapped_private(networks[i].behind));
	}
	/* others' addresses that hold the bytes of private ones */
	assert_false(is_private("8.8.8.8"));
	assert_false(is_private("a00::1"));
	assert_false(is_private("7f00:1::"));
	assert_false(is_private("::127.0.0.1"));
	assert_false(is_private("::fffe:10.0.0.1"));
	assert_false(is_private("64:ff9b::10.0.0.1"));
	assert_false(is_private("2606:4700::1111"));
	assert_false(is_private("255.255.255.255"));
	assert_false(is_private("224.0.0.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	cmocka_unit_test(test_bad),
		cmocka_unit_test(test_several), cmocka_unit_test(test_find),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
