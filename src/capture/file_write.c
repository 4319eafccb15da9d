#include "capture/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/wiretap.h"

/* What the head of the file says; the library takes it as arrays of blocks. */
struct head {
	GArray *sections;			 /* (owned) */
	wtapng_iface_descriptions_t *interfaces; /* (owned) */
};

static void head_done(struct head *head)
{
	wiretap.wtap_block_array_free(head->sections);
	wiretap.wtap_free_idb_info(head->interfaces);
}

static void block_add_string(wtap_block_t block, guint option, const char *text)
{
	wiretap.wtap_block_add_string_option(block, option, text, strlen(text));
}

static void head_add_section(struct head *head)
{
	wtap_block_t block = wiretap.wtap_block_create(WTAP_BLOCK_SECTION);

	block_add_string(block, OPT_SHB_USERAPPL, "contest");
	wiretap.g_array_append_vals(head->sections, &block, 1);
}

static void head_add_interface(struct head *head, const char *name, int encap)
{
	wtap_block_t block = wiretap.wtap_block_create(WTAP_BLOCK_IF_ID_AND_INFO);
	wtapng_if_descr_mandatory_t *description = wiretap.wtap_block_get_mandatory_data(block);

	description->wtap_encap = encap;
	description->time_units_per_second = 1000000000;
	description->tsprecision = WTAP_TSPREC_NSEC;
	description->snap_len = WTAP_MAX_PACKET_SIZE_STANDARD;
	if (*name)
		block_add_string(block, OPT_IDB_NAME, name);
	wiretap.wtap_block_add_uint8_option(block, OPT_IDB_TSRESOL, 9);
	wiretap.g_array_append_vals(head->interfaces->interface_data, &block, 1);
}

/* 0, or -EINVAL for a link type that pcapng has no number for. Owned by the caller either way. */
static int head_fill(struct head *head, const struct packet_list *list, struct why *why)
{
	head->sections = wiretap.g_array_new(FALSE, FALSE, sizeof(wtap_block_t));
	head->interfaces = wiretap.g_malloc0(sizeof(*head->interfaces));
	head->interfaces->interface_data = wiretap.g_array_new(FALSE, FALSE, sizeof(wtap_block_t));
	head_add_section(head);

	for (size_t i = 0; i < list->interface_count; i++) {
		const struct packet_interface *interface = &list->interfaces[i];
		int encap = wiretap_encap(interface->link);

		if (encap < 0)
			return why_say(why, -EINVAL,
				       "cannot write packets of %s: unknown link type %u",
				       interface->name, interface->link);
		head_add_interface(head, interface->name, encap);
	}
	return 0;
}

static bool write_packet(wtap_dumper *dumper, const struct packet *packet, int encap, int *error,
			 gchar **info)
{
	wtap_rec rec;
	bool written;

	wiretap.wtap_rec_init(&rec);
	rec.rec_type = REC_TYPE_PACKET;
	rec.presence_flags = WTAP_HAS_TS | WTAP_HAS_CAP_LEN | WTAP_HAS_INTERFACE_ID;
	rec.ts.secs = packet->time_ns / 1000000000;
	rec.ts.nsecs = (int)(packet->time_ns % 1000000000);
	rec.tsprec = WTAP_TSPREC_NSEC;
	rec.rec_header.packet_header.caplen = packet->captured_length;
	rec.rec_header.packet_header.len = packet->length;
	rec.rec_header.packet_header.pkt_encap = encap;
	rec.rec_header.packet_header.interface_id = packet->interface;
	rec.block = wiretap.wtap_block_create(WTAP_BLOCK_PACKET);
	if (packet->comment)
		block_add_string(rec.block, OPT_COMMENT, packet->comment);
	written = wiretap.wtap_dump(dumper, &rec, packet->data, error, info);
	wiretap.wtap_block_unref(rec.block);
	rec.block = NULL;
	wiretap.wtap_rec_cleanup(&rec);
	return written;
}

static int write_packets(wtap_dumper *dumper, const struct packet_list *list, struct why *why)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct packet *packet = &list->packets[i];
		int encap = wiretap_encap(list->interfaces[packet->interface].link);
		gchar *info = NULL;
		int error = 0;

		/* pcapng counts from 1970 without sign. */
		if (packet->time_ns < 0)
			return why_say(why, -ERANGE, "cannot write packet %zu: before 1970", i + 1);
		if (!write_packet(dumper, packet, encap, &error, &info))
			return wiretap_why(why, "write", "the capture", error, info);
	}
	return 0;
}

/* Takes @fd, whatever comes of it. */
static int write_file(int fd, const struct head *head, const struct packet_list *list,
		      struct why *why)
{
	/* For a list without interfaces the library makes one up, which wants a link type. */
	const wtap_dump_params params = {
		.encap = list->interface_count ? WTAP_ENCAP_PER_PACKET : WTAP_ENCAP_RAW_IP,
		.tsprec = WTAP_TSPREC_NSEC,
		.shb_hdrs = head->sections,
		.idb_inf = head->interfaces,
	};
	wtap_dumper *dumper;
	gchar *info = NULL;
	int error = 0, r;

	dumper = wiretap.wtap_dump_fdopen(fd, wiretap.wtap_pcapng_file_type_subtype(),
					  WTAP_UNCOMPRESSED, &params, &error, &info);
	if (!dumper)
		return wiretap_why(why, "write", "the capture", error, info);
	r = write_packets(dumper, list, why);
	if (!wiretap.wtap_dump_close(dumper, NULL, &error, &info) && r == 0)
		r = wiretap_why(why, "write", "the capture", error, info);
	return r;
}

int capture_write(int fd, const struct packet_list *list, struct why *why)
{
	struct head head;
	int flags = fcntl(fd, F_GETFL), copy, r;

	/* Later the library could not be asked whether it had closed the descriptor or not. */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return why_set(why, -EBADF, "cannot write the capture");

	r = wiretap_prepare(why);
	if (r < 0)
		return r;
	r = head_fill(&head, list, why);
	if (r == 0) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		r = copy < 0 ? why_set(why, -errno, "cannot write the capture")
			     : write_file(copy, &head, list, why);
	}
	head_done(&head);
	return r;
}
