#include "cmd/explain_again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool can_be_named(const char *path)
{
	struct stat status;

	return strcmp(path, "-") != 0 && path[0] != '-' && !strchr(path, '\'') &&
	       stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static void put(FILE *out, const char *word)
{
	bool plain = *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789@%+:,./_-") == strlen(word);

	fprintf(out, plain ? " %s" : " '%s'", word);
}

char *explain_again(const struct explain_options *options)
{
	char *text = NULL;
	size_t length;
	FILE *out;

	if (options->interface || (options->expression && strchr(options->expression, '\'')))
		return NULL;
	for (size_t i = 0; i < options->path_count; i++)
		if (!can_be_named(options->paths[i]))
			return NULL;
	out = open_memstream(&text, &length);
	if (!out)
		return NULL;
	fputs("contest explain", out);
	for (size_t i = 0; i < options->path_count; i++)
		put(out, options->paths[i]);
	if (options->expression)
		put(out, options->expression);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
