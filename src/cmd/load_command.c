#include "cmd/load_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/load_json.h"
#include "cmd/load_report.h"

/* As a shell would take it; what is no text is escaped, since JSON has only that. */
static void put_word(FILE *out, const char *word)
{
	CLEANUP_FREE char *safe = malloc(4 * strlen(word) + 1);
	bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789@%+=:,./_-[]") == strlen(word);

	if (!safe)
		return;
	screen_escape(word, strlen(word), safe, 4 * strlen(word) + 1);
	fprintf(out, plain ? " %s" : " '%s'", safe);
}

char *load_command_line(const struct invocation *call)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	fputs("contest", out);
	for (size_t i = 1; call->arguments[0] && call->arguments[i]; i++)
		put_word(out, call->arguments[i]);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

void load_print(const struct invocation *call, const struct load_result *result,
		const json_t *document, bool json)
{
	struct screen screen;

	if (json) {
		load_json_write(document, stdout);
		return;
	}
	screen_init(&screen, stdout, call->color);
	load_report_text(&screen, result);
}
