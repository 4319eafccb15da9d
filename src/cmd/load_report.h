/* What a load has come to, told to a person. */
#ifndef CONTEST_CMD_LOAD_REPORT_H
#define CONTEST_CMD_LOAD_REPORT_H

#include "cmd/load_result.h"
#include "render/screen.h"

void load_report_text(const struct screen *screen, const struct load_result *result);

/* "17.2 us", "1.25 ms": three digits. Returns @to. */
const char *load_report_time(uint64_t ns, char *to, size_t room);

#endif
