/* Whether BPF programs may be loaded here, and what to say when not. */
#ifndef CONTEST_OBSERVE_BPF_ALLOWED_H
#define CONTEST_OBSERVE_BPF_ALLOWED_H

#include "base/why.h"

/* 0, or -errno with @why: which capability is missing, or which feature of the kernel; -ENOTSUP in
 * a build without BPF. From then on libbpf does not print. */
int bpf_allowed(struct why *why);

/* Returns @error, which loading a program gave, with @why. */
int bpf_refused(int error, struct why *why);

#endif
