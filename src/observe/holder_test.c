#include "observe/testnet.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/netns.h"
#include "observe/holder.h"

static struct port_holder find(const char *address, uint16_t port)
{
	CLEANUP_CLOSE int netns = netns_open_current();
	struct tcp_endpoint at = {.port = port};
	struct port_holder holder;
	struct why why = {""};

	assert_true(netns >= 0);
	assert_int_equal(tcp_address_parse(address, &at.address), 0);
	assert_int_equal(port_holder_find(netns, &at, &holder, &why), 0);
	return holder;
}

static void a_listener_and_its_process(void **state)
{
	struct port_holder holder;
	char where[TCP_ENDPOINT_TEXT_MAX];
	int fd;

	(void)state;
	NEEDS_NAMESPACE();
	fd = listen_at("127.0.0.1");
	holder = find("127.0.0.1", port_of(fd));
	assert_true(holder.listening);
	assert_int_equal(holder.where.port, port_of(fd));
	assert_string_equal(tcp_address_format(&holder.where.address, where), "127.0.0.1");
	assert_true(holder.owned);
	assert_int_equal(holder.owner.pid, getpid());
	assert_int_equal(holder.owner.processes, 1);
	assert_string_equal(holder.owner.name, "holder's\ttest");
	assert_int_equal(holder.time_wait + holder.connections, 0);
	close(fd);
}

static void several_processes_have_it(void **state)
{
	int fd, ready[2], status;
	struct port_holder holder;
	pid_t pid;

	(void)state;
	NEEDS_NAMESPACE();
	fd = listen_at("127.0.0.1");
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		close(ready[1]);
		_exit(read(ready[0], &byte, 1) != 0);
	}
	holder = find("127.0.0.1", port_of(fd));
	assert_int_equal(holder.owner.processes, 2);
	assert_int_equal(holder.owner.pid, pid < getpid() ? pid : getpid());
	close(ready[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(fd);
}

static void addresses_that_include_others(void **state)
{
	int v4, all;

	(void)state;
	NEEDS_NAMESPACE();
	v4 = listen_at("127.0.0.1");
	all = listen_at("::");
	assert_true(find("0.0.0.0", port_of(v4)).listening);
	assert_true(find("::", port_of(v4)).listening);
	assert_false(find("127.0.0.2", port_of(v4)).listening);
	assert_false(find("::1", port_of(v4)).listening);
	assert_false(find("127.0.0.1", (uint16_t)(port_of(v4) ^ 1)).listening);
	assert_true(find("127.0.0.2", port_of(all)).listening);
	assert_true(find("::1", port_of(all)).listening);
	close(v4);
	close(all);
}

static void connections_hold_a_port(void **state)
{
	struct port_holder holder;
	struct pair pair;
	uint16_t port;

	(void)state;
	NEEDS_NAMESPACE();
	pair = pair_open("127.0.0.1", "127.0.0.1");
	port = port_of(pair.listener);
	close_once(&pair.listener);
	holder = find("127.0.0.1", port);
	assert_false(holder.listening);
	assert_false(holder.owned);
	assert_int_equal(holder.connections, 1);
	assert_int_equal(holder.time_wait, 0);

	close_once(&pair.server);
	read_end(pair.client);
	close_once(&pair.client);
	holder = find("127.0.0.1", port);
	assert_int_equal(holder.connections, 0);
	assert_int_equal(holder.time_wait, 1);
}

static void nobody_has_it(void **state)
{
	struct socket_owner owner = {.pid = 7};

	(void)state;
	assert_int_equal(socket_owner_find(0, &owner), -ENOENT);
	assert_int_equal(owner.pid, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_and_its_process),
		cmocka_unit_test(several_processes_have_it),
		cmocka_unit_test(addresses_that_include_others),
		cmocka_unit_test(connections_hold_a_port),
		cmocka_unit_test(nobody_has_it),
	};

	prctl(PR_SET_NAME, "holder's\ttest");
	be_alone();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
