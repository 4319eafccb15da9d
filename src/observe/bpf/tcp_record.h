/* What the iterator tells of one socket: the form between tcp_iter.bpf.c and its reader. */
#ifndef CONTEST_OBSERVE_BPF_TCP_RECORD_H
#define CONTEST_OBSERVE_BPF_TCP_RECORD_H

struct tcp_record {
	unsigned int local[4], remote[4]; /* network order; of AF_INET the first */
	unsigned short local_port;
	unsigned short remote_port_be; /* network order */
	unsigned short family;
	unsigned char state;
	unsigned char timer; /* enum socket_timer */
	unsigned char retransmits;
	unsigned char unused[3];
	int timer_left; /* kernel ticks; negative: overdue */
	unsigned int receive_queue, send_queue;
	unsigned int inode, uid;
};

#endif
