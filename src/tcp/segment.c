#include "tcp/segment.h"

#include <string.h>

/* Option kinds (IANA "TCP Option Kind Numbers"). */
enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WINDOW_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMPS = 8,
	OPTION_FASTOPEN = 34,

	TIMESTAMPS_ALIGNED = OPTION_NOP << 24 | OPTION_NOP << 16 | OPTION_TIMESTAMPS << 8 | 10,
};

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

char *segment_flags_format(uint8_t flags, char *text)
{
	static const struct {
		uint8_t flag;
		char name[4];
	} order[] = {
		{TCP_FLAG_SYN, "SYN"}, {TCP_FLAG_FIN, "FIN"}, {TCP_FLAG_RST, "RST"},
		{TCP_FLAG_PSH, "PSH"}, {TCP_FLAG_ACK, "ACK"}, {TCP_FLAG_URG, "URG"},
		{TCP_FLAG_ECE, "ECE"}, {TCP_FLAG_CWR, "CWR"},
	};
	char *end = text;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(flags & order[i].flag))
			continue;
		if (end != text)
			*end++ = '+';
		memcpy(end, order[i].name, 3);
		end += 3;
	}
	if (end == text) {
		memcpy(text, "none", 4);
		end += 4;
	}
	*end = '\0';
	return text;
}

/* All but the SACK blocks, which sack_count covers. */
static void options_clear(struct tcp_options *options)
{
	memset(options, 0, offsetof(struct tcp_options, sack));
}

static void timestamps_decode(const uint8_t *data, struct tcp_options *ret)
{
	ret->has_timestamps = true;
	ret->ts_value = get32(data);
	ret->ts_echo = get32(data + 4);
}

static void decode_one(uint8_t kind, const uint8_t *data, size_t length, struct tcp_options *ret)
{
	switch (kind) {
	case OPTION_MSS:
		if (length == 2) {
			ret->has_mss = true;
			ret->mss = (uint16_t)(data[0] << 8 | data[1]);
		}
		break;
	case OPTION_WINDOW_SCALE:
		if (length == 1) {
			ret->has_window_scale = true;
			ret->window_scale = data[0];
		}
		break;
	case OPTION_SACK_PERMITTED:
		if (length == 0)
			ret->sack_permitted = true;
		break;
	case OPTION_SACK:
		for (size_t at = 0; at + 8 <= length && ret->sack_count < 4; at += 8) {
			struct tcp_sack_block *block = &ret->sack[ret->sack_count++];

			block->left = get32(data + at);
			block->right = get32(data + at + 4);
		}
		break;
	case OPTION_TIMESTAMPS:
		if (length == 8)
			timestamps_decode(data, ret);
		break;
	case OPTION_FASTOPEN:
		ret->has_fastopen = true;
		break;
	default:
		break;
	}
}

void tcp_options_decode(const uint8_t *bytes, size_t length, struct tcp_options *ret)
{
	size_t at = 0;

	options_clear(ret);
	/* What nearly all segments begin with, as RFC 7323 appendix A recommends. */
	if (length >= 12 && get32(bytes) == TIMESTAMPS_ALIGNED) {
		timestamps_decode(bytes + 4, ret);
		at = 12;
	}
	while (at < length) {
		uint8_t kind = bytes[at];

		if (kind == OPTION_END)
			return;
		if (kind == OPTION_NOP) {
			at++;
			continue;
		}
		if (length - at < 2 || bytes[at + 1] < 2 || bytes[at + 1] > length - at) {
			ret->malformed = true;
			return;
		}
		decode_one(kind, bytes + at + 2, bytes[at + 1] - 2u, ret);
		at += bytes[at + 1];
	}
}
