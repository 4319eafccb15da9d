#include <locale.h>

#include "cmd/commands.h"

int main(int argc, char *argv[])
{
	/* Characters alone: numbers and messages are the same everywhere, JSON and scripts read
	 * them, and each file of a locale is a mapping that a forked server would copy. */
	setlocale(LC_CTYPE, "");
	return cli_main(commands, argc, argv);
}
