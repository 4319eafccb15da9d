#include <locale.h>

#include "cmd/commands.h"

int main(int argc, char *argv[])
{
	setlocale(LC_ALL, "");
	/* Numbers are printed the same everywhere: JSON and scripts read them. */
	setlocale(LC_NUMERIC, "C");
	return cli_main(commands, argc, argv);
}
