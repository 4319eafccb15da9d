/*
 * Libraries that are loaded by dlopen(3) when they are first needed, not linked: libwiretap and
 * libpcap bring thirty libraries (glib, systemd, dbus, gcrypt …), which every process would have
 * mapped, and which each child of `contest serve --engine fork` would copy and take down again.
 * Private to this folder.
 */
#ifndef CONTEST_CAPTURE_LIBRARY_H
#define CONTEST_CAPTURE_LIBRARY_H

#include <stddef.h>

#include "base/why.h"

struct library_symbol {
	const char *name;
	size_t offset; /* of the pointer in the struct that is filled */
};

struct library {
	const char *soname;
	const char *purpose; /* "captures": what needs it */
	const char *package; /* that has it on Debian */
	const struct library_symbol *symbols;
	size_t symbol_count;
	size_t size; /* of that struct */
};

/*
 * Loads it and writes a pointer for each symbol into @ret_pointers. What is loaded stays, to the
 * end of the process.
 *
 * 0; -ELIBACC when it, or a library that it needs, cannot be loaded; -ELIBBAD when it is another
 * library than we were compiled for. @why says which, and which package has it.
 */
int library_load(const struct library *library, void *ret_pointers, struct why *why);

#endif
