/* What a capture comes to, told to a person. */
#ifndef CONTEST_CMD_EXPLAIN_SUMMARY_H
#define CONTEST_CMD_EXPLAIN_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/decode.h"
#include "cmd/explain_names.h"
#include "explain/flows.h"
#include "explain/summary.h"
#include "render/screen.h"

/* No more connections than this are told one by one. */
#define EXPLAIN_FEW 20

/* Zeroed to begin with. Filled by explain_model_add() and, for the rest, by who reads. */
struct explain_model {
	struct summary summary;
	struct finding few[EXPLAIN_FEW]; /* the first ones */

	const char *from;	/* (borrowed) "a.pcap", "3 files", "eth0"; NULL: not said */
	struct flows_sums sums; /* flows_sums() */
	uint64_t packets;	/* looked at: those of captures and, of texts, segments … */
	uint64_t filtered;	/* … not among them, since the filter left them out */
	uint64_t decoded[DECODE_MALFORMED + 1]; /* of captured packets, by enum decode_result */
	uint64_t given_up;			/* segments in fragments that never became whole */
	uint64_t kernel_dropped;		/* live: packets that the kernel had no room for */
	uint64_t lines_unclear;			/* of texts */
	bool no_times;				/* a text without any */
	const char *const *notes; /* (borrowed) further sentences: files that are damaged … */
	size_t note_count;
	const struct explain_names *names; /* (borrowed) or NULL */
};

/* Counts a connection, and keeps it when it is one of the first. 0 or -ENOMEM. */
int explain_model_add(struct explain_model *model, const struct finding *finding);
void explain_model_done(struct explain_model *model);

void explain_summary_print(const struct screen *screen, const struct explain_model *model);

/* The notes alone, as explain_summary_print() ends with them: what was left out, and what could not
 * be read. For the other forms of output. */
void explain_summary_notes(const struct screen *screen, const struct explain_model *model);

#endif
