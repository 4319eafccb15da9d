/*
 * The command line: each line of the input is a word, parsed against the table that is shipped;
 * nothing is run. The first word is also read as a number and as a duration.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void check_values(const char *word)
{
	int64_t number = -1;

	if (cli_parse_duration(word, &number) == 0)
		expect(number >= 0);
	if (cli_parse_number(word, &number) == 0)
		expect((number < 0) == (word[0] == '-' && number != 0));
}

static void check_call(int argc, char **argv)
{
	struct invocation call;
	struct why why = {""};

	if (cli_parse(commands, argc, argv, &call, &why) < 0) {
		expect(why.text[0] && strncmp(call.path, "contest", strlen("contest")) == 0);
	} else if (!call.help && !call.version) {
		expect(call.command && call.command->run);
		expect(call.operand_count >= call.command->min_operands);
		expect(call.operand_count <= call.command->max_operands);
		expect(call.operand_count < (size_t)argc && !call.operands[call.operand_count]);
	}
	invocation_done(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS_MAX + 1] = {"contest"}, *text = malloc(size + 1), *rest = text;
	int argc = 1;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';

	while (rest && argc < WORDS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	check_values(argv[1]);
	check_call(argc, argv);
	free(text);
	return 0;
}
