#include "capture/wiretap_load.h"

#include <stddef.h>

#include "base/cleanup.h"
#include "capture/library.h"

int wiretap_load(const char *soname, struct wiretap *ret, struct why *why)
{
	static const struct library_symbol symbols[] = {
#define WIRETAP_ENTRY(name) {#name, offsetof(struct wiretap, name)},
		WIRETAP_SYMBOLS(WIRETAP_ENTRY)
#undef WIRETAP_ENTRY
	};
	const struct library library = {
		.soname = soname,
		.purpose = "captures",
		.package = WIRETAP_PACKAGE,
		.symbols = symbols,
		.symbol_count = ARRAY_SIZE(symbols),
		.size = sizeof(*ret),
	};

	return library_load(&library, ret, why);
}
