/* libwiretap, loaded when the first capture is read or written (library.h says why). Private to
 * this folder. */
#ifndef CONTEST_CAPTURE_WIRETAP_LOAD_H
#define CONTEST_CAPTURE_WIRETAP_LOAD_H

#include <wiretap/pcap-encap.h>
#include <wiretap/wtap.h>
#include <wsutil/wslog.h>

#include "base/why.h"

/* What we call, of libwiretap and of the libraries that come with it (wsutil, glib). */
#define WIRETAP_SYMBOLS(X)                                                                         \
	X(g_array_append_vals)                                                                     \
	X(g_array_new)                                                                             \
	X(g_free)                                                                                  \
	X(g_malloc0)                                                                               \
	X(open_routines)                                                                           \
	X(ws_buffer_free)                                                                          \
	X(ws_buffer_init)                                                                          \
	X(ws_log_set_level)                                                                        \
	X(wtap_block_add_string_option)                                                            \
	X(wtap_block_add_uint8_option)                                                             \
	X(wtap_block_array_free)                                                                   \
	X(wtap_block_create)                                                                       \
	X(wtap_block_get_mandatory_data)                                                           \
	X(wtap_block_get_nth_string_option_value)                                                  \
	X(wtap_block_get_string_option_value)                                                      \
	X(wtap_block_unref)                                                                        \
	X(wtap_close)                                                                              \
	X(wtap_deregister_open_info)                                                               \
	X(wtap_dump)                                                                               \
	X(wtap_dump_close)                                                                         \
	X(wtap_dump_fdopen)                                                                        \
	X(wtap_encap_description)                                                                  \
	X(wtap_file_size)                                                                          \
	X(wtap_file_type_subtype)                                                                  \
	X(wtap_free_idb_info)                                                                      \
	X(wtap_get_compression_type)                                                               \
	X(wtap_get_next_interface_description)                                                     \
	X(wtap_init)                                                                               \
	X(wtap_open_offline)                                                                       \
	X(wtap_pcap_encap_to_wtap_encap)                                                           \
	X(wtap_pcap_file_type_subtype)                                                             \
	X(wtap_pcap_nsec_file_type_subtype)                                                        \
	X(wtap_pcapng_file_type_subtype)                                                           \
	X(wtap_read)                                                                               \
	X(wtap_rec_cleanup)                                                                        \
	X(wtap_rec_init)                                                                           \
	X(wtap_rec_reset)                                                                          \
	X(wtap_register_open_info)                                                                 \
	X(wtap_strerror)

/* A pointer to each, of its own type and name: `wiretap.wtap_read(…)`. */
struct wiretap {
#define WIRETAP_MEMBER(name) __typeof__(name) *name;
	WIRETAP_SYMBOLS(WIRETAP_MEMBER)
#undef WIRETAP_MEMBER
};

/* Loads @soname and finds all of it, as library_load(). */
int wiretap_load(const char *soname, struct wiretap *ret, struct why *why);

#endif
