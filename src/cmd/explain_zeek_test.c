#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cmd/explain_testing.h"
#include "cmd/explain_zeek.h"

static void check_state(const struct finding *finding, const char *want)
{
	assert_string_equal(explain_zeek_state(finding), want);
}

static void zeek_of_open_and_closed(void **state)
{
	struct finding finding = graceful(1);

	(void)state;
	check_state(&finding, "SF");
	/* Data that met a closed socket, after both FINs. */
	finding.end[0].rst_count = 1;
	check_state(&finding, "SF");
	finding = opened(1, 1, 80);
	check_state(&finding, "S1");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "S2");
	finding = opened(1, 1, 80);
	send_fin(&finding, TRACK_SERVER, 0);
	check_state(&finding, "S3");
	finding.end[TRACK_SERVER].fin_inferred = true;
	check_state(&finding, "S1");
}

static void zeek_of_resets(void **state)
{
	struct finding finding = reset(1, 1, TRACK_CLIENT, RST_ABORT);

	(void)state;
	check_state(&finding, "RSTO");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "RSTO");
	finding = reset(1, 1, TRACK_SERVER, RST_ABORT);
	check_state(&finding, "RSTR");
	finding.end[TRACK_CLIENT].syn_seen = false;
	check_state(&finding, "RSTRH");
	/* Refused: the server never sent a SYN. */
	finding = reset(1, 1, TRACK_SERVER, RST_REFUSED);
	finding.end[TRACK_SERVER].syn_seen = false;
	check_state(&finding, "REJ");
}

static void zeek_of_what_never_opened(void **state)
{
	struct finding finding = opened(1, 1, 80);
	struct finding_end *client = &finding.end[TRACK_CLIENT];
	struct finding_end *server = &finding.end[TRACK_SERVER];

	(void)state;
	server->seen = server->syn_seen = false;
	client->bytes = 0;
	check_state(&finding, "S0");
	send_fin(&finding, TRACK_CLIENT, 0);
	check_state(&finding, "SH");
	client->fin_seen = false;
	client->rst_count = 1;
	check_state(&finding, "RSTOS0");
	client->bytes = 1;
	check_state(&finding, "OTH");
	/* Only the server is in the capture. */
	finding = opened(1, 1, 80);
	finding.end[TRACK_CLIENT].seen = finding.end[TRACK_CLIENT].syn_seen = false;
	check_state(&finding, "OTH");
	send_fin(&finding, TRACK_SERVER, 0);
	check_state(&finding, "SHR");
	/* Begun before the capture. */
	finding = opened(1, 1, 80);
	finding.end[0].syn_seen = finding.end[1].syn_seen = false;
	check_state(&finding, "OTH");
}

static void zeek_lines(void **state)
{
	char hostile[] = "w\tw:ht\x7ftp";
	struct explain_names names = {.name = a_name, .context = hostile};
	struct finding finding = graceful(3);
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	explain_zeek_finding(out, &finding, "ShAFaf", NULL);
	finding.last_ns = finding.first_ns;
	explain_zeek_finding(out, &finding, "", &names);
	finding.end[0].endpoint.address.family = AF_INET6;
	memset(finding.end[0].endpoint.address.bytes, 0xfd, 16);
	finding.first_ns = -1;
	explain_zeek_finding(out, &finding, NULL, &names);
	fclose(out);
	assert_string_equal(
		text,
		"1700000000.000000\tC3\t10.0.0.1\t40000\t10.0.1.1\t80\ttcp\t3.000000\t100\t100\tSF\t"
		"ShAFaf\t4\t4\n"
		"1700000000.000000\tC3\t10.0.0.1\t40000\tw\\x09w\tht\\x7ftp\ttcp\t-\t-\t-\tSF\t-\t4\t"
		"4\n"
		"-0.000001\tC3\tfdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd\t40000\tw\\x09w\tht\\x7ftp\t"
		"tcp\t1700000000.000000\t100\t100\tSF\t-\t4\t4\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zeek_of_open_and_closed),
		cmocka_unit_test(zeek_of_resets),
		cmocka_unit_test(zeek_of_what_never_opened),
		cmocka_unit_test(zeek_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
