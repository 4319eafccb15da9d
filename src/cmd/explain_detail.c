#include "cmd/explain_detail.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/explain_list.h"
#include "cmd/explain_words.h"

#define INDENT 4 /* as in a list */

static void put_state(const struct screen *screen, const struct finding *finding, unsigned end)
{
	char why[FINDING_TEXT_MAX];

	explain_say(screen, STYLE_PLAIN, INDENT, "%*s%s %s: %s", INDENT, "",
		    end == TRACK_CLIENT ? "client" : "server",
		    finding_state_name(finding->end[end].state),
		    finding_state_why(finding, end, why));
}

static const char *option_text(enum finding_option option)
{
	static const char *const texts[] = {
		[OPTION_AGREED] = "agreed",
		[OPTION_CLIENT_DID_NOT] = "off, the client did not offer them",
		[OPTION_SERVER_DID_NOT] = "off, the server did not agree",
		[OPTION_NEITHER] = "offered by neither end",
		[OPTION_UNKNOWN] = "unknown",
	};

	return texts[option];
}

static void put_options(const struct screen *screen, const struct finding *finding)
{
	if (finding_timestamps(finding) == OPTION_UNKNOWN &&
	    finding_sack(finding) == OPTION_UNKNOWN &&
	    finding_window_scale(finding) == OPTION_UNKNOWN) {
		explain_say(screen, STYLE_PLAIN, INDENT,
			    "%*stimestamps, selective acknowledgements and window scaling unknown: "
			    "not both SYNs were captured",
			    INDENT, "");
		return;
	}
	explain_say(screen, STYLE_PLAIN, INDENT,
		    "%*stimestamps %s; selective acknowledgements %s; window scaling %s", INDENT,
		    "", option_text(finding_timestamps(finding)),
		    option_text(finding_sack(finding)), option_text(finding_window_scale(finding)));
}

void explain_detail_print(const struct screen *screen, const struct finding *finding,
			  const struct explain_names *names)
{
	explain_list_print(screen, finding, 1, names);
	put_state(screen, finding, TRACK_CLIENT);
	put_state(screen, finding, TRACK_SERVER);
	put_options(screen, finding);
}
