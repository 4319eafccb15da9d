/*
 * The least that a reader of a capture can do: libpcap's loop, counting packets and bytes. What
 * `contest explain` is measured against; a tool of bench/, not installed.
 *
 *	count FILE
 */
#include <err.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

struct sum {
	uint64_t packets, bytes;
};

static void add(u_char *context, const struct pcap_pkthdr *head, const u_char *data)
{
	struct sum *sum = (struct sum *)context;

	(void)data;
	sum->packets++;
	sum->bytes += head->len;
}

int main(int argc, char **argv)
{
	char reason[PCAP_ERRBUF_SIZE];
	struct sum sum = {0};
	pcap_t *file;

	if (argc != 2)
		errx(2, "usage: count FILE");
	file = pcap_open_offline(argv[1], reason);
	if (!file)
		errx(1, "%s", reason);
	if (pcap_loop(file, 0, add, (u_char *)&sum) < 0)
		errx(1, "%s: %s", argv[1], pcap_geterr(file));
	pcap_close(file);
	printf("%" PRIu64 " packets, %" PRIu64 " bytes\n", sum.packets, sum.bytes);
	return 0;
}
