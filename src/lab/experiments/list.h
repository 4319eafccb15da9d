/* The experiments, in the order of CLAIMS.md: adding one is a line here and a file beside. */
#ifndef CONTEST_LAB_EXPERIMENTS_LIST_H
#define CONTEST_LAB_EXPERIMENTS_LIST_H

#include "lab/experiment.h"

#define EXPERIMENT_LIST                                                                            \
	EXPERIMENT(active_close)                                                                   \
	EXPERIMENT(close_segments)                                                                 \
	EXPERIMENT(simultaneous_close)                                                             \
	EXPERIMENT(time_wait_ownerless)                                                            \
	EXPERIMENT(close_wait_leak)                                                                \
	EXPERIMENT(half_close)                                                                     \
	EXPERIMENT(unread_data)                                                                    \
	EXPERIMENT(time_wait_length)                                                               \
	EXPERIMENT(time_wait_memory)                                                               \
	EXPERIMENT(beyond_65535)                                                                   \
	EXPERIMENT(server_port)                                                                    \
	EXPERIMENT(five_tuple)                                                                     \
	EXPERIMENT(no_descriptor)                                                                  \
	EXPERIMENT(time_wait_slowdown)                                                             \
	EXPERIMENT(max_tw_buckets)                                                                 \
	EXPERIMENT(port_exhaustion)                                                                \
	EXPERIMENT(port_selection)                                                                 \
	EXPERIMENT(connect_cost)                                                                   \
	EXPERIMENT(reuse_server_side)                                                              \
	EXPERIMENT(reuse_client_side)                                                              \
	EXPERIMENT(reuse_other_port)                                                               \
	EXPERIMENT(reuse_needs_timestamps)                                                         \
	EXPERIMENT(reuse_delay)                                                                    \
	EXPERIMENT(reuseaddr_restart)                                                              \
	EXPERIMENT(reuseaddr_is_not_tw_reuse)                                                      \
	EXPERIMENT(timestamps_both_ends)                                                           \
	EXPERIMENT(fin_wait2_timeout)                                                              \
	EXPERIMENT(fin_wait2_to_time_wait)                                                         \
	EXPERIMENT(fin_wait2_late_fin)                                                             \
	EXPERIMENT(fin_wait1_retries)                                                              \
	EXPERIMENT(linger_zero)                                                                    \
	EXPERIMENT(linger_timeout)                                                                 \
	EXPERIMENT(linger_off)                                                                     \
	EXPERIMENT(server_models)                                                                  \
	EXPERIMENT(blocking_server)                                                                \
	EXPERIMENT(backlog)

#define EXPERIMENT(name) extern const struct experiment experiment_##name;
EXPERIMENT_LIST
#undef EXPERIMENT

#endif
