/* For tests: filters made by chance, the same ones in each run; about the sockets of
 * socket_testing.h. */
#ifndef CONTEST_OBSERVE_SOCKET_FILTER_CHANCE_H
#define CONTEST_OBSERVE_SOCKET_FILTER_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Where the next ones begin; not 0. */
extern uint32_t seed;

/* Less than @n. */
uint32_t chance(uint32_t n);

#define TEXT_MAX 2048
/* @for_ss: in words that ss(8) understands as we do. */
void make_filter(char *text, bool for_ss, bool states_first);

#endif
