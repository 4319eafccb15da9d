#include "lab/experiments/common.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

uint8_t *packet_tcp(uint8_t *packet, size_t length)
{
	size_t header = length && packet[0] >> 4 == 6 ? 40 : length ? (packet[0] & 0x0fu) * 4 : 0;

	return header < 20 || length < header + 20 ? NULL : packet + header;
}

uint32_t packet_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

void packet_set_u32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, sizeof(value));
}

int lose_repeated_fins(struct stage *stage, size_t host, const struct tcp_key *key)
{
	struct wire_rule rule = {
		.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = "a repeated FIN is lost"};

	rule.match.from = (int)host;
	rule.match.flags_set = TCP_FLAG_FIN;
	rule.match.key = key;
	rule.match.skip = 1;
	return wire_rule_add(stage->wire, &rule);
}

int segments_so_far(struct stage *stage, const struct tcp_key *key)
{
	struct wire_match match = WIRE_MATCH_ALL;

	match.key = key;
	return stage_segments(stage, &match, NULL, 0);
}

int lose_segments(struct stage *stage, int from, uint8_t flags, const char *note)
{
	struct wire_rule rule = {.match = WIRE_MATCH_ALL, .verb = WIRE_DROP, .note = note};

	rule.match.from = from;
	rule.match.flags_set = flags;
	return wire_rule_add(stage->wire, &rule);
}

bool state_is(const char *name, int state)
{
	return strcmp(name, tcp_state_name(state)) == 0;
}

int open_descriptors(pid_t pid)
{
	char path[64];
	DIR *directory;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		return -errno;
	for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}
