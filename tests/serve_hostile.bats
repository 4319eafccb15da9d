#!/usr/bin/env bats
# contest serve on bad days: peers that send nothing, too much or too little, RST at any moment, floods,
# descriptors that run out, workers that die; and signals, ports in use, missing privilege. The server
# stays up, its CPU stays sane, its counters add up.

# shellcheck disable=SC2030,SC2031,SC2034 # each test has its own server; PREFIX is read by serve
load helpers
load serve

setup() {
	enter_alone
	needs python3
}

teardown() {
	leave_alone
}

# hostile WHAT ARGUMENTS…: against the server.
hostile() {
	local what=$1
	shift
	inside timeout 120 python3 "$root/tests/serve_hostile.py" "$what" "$port" "$@"
}

# befriend WHAT ARGUMENTS…: the same in the background, as $friend; what it says is in `said`. It ends,
# or goes on, when it is told to by dismiss or nudge.
befriend() {
	local what=$1
	shift
	rm -f tell
	mkfifo tell
	: >said
	nsenter --preserve-credentials --user --net -t "$keeper" timeout 120 \
		python3 "$root/tests/serve_hostile.py" "$what" "$port" "$@" <tell >said 2>said.err 3>&- &
	friend=$!
	friends="${friends:-} $friend"
	exec 9>tell
}

nudge() {
	echo go >&9
}

dismiss() {
	exec 9>&-
	wait "$friend"
}

# has_said TEXT
has_said() {
	grep -q "$1" said
}

# cpu_ticks: of the server and all its processes, ended ones too.
cpu_ticks() {
	# Those that end meanwhile are counted by who waits for them.
	server_pids | sed 's|.*|/proc/&/stat|' | xargs cat 2>/dev/null |
		sed 's/.*) //' | awk '{ sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
}

# For half a second, in which one that spins takes all of a core, the server takes less than a fifth.
calm() {
	local before after
	before=$(cpu_ticks)
	sleep 0.5
	after=$(cpu_ticks)
	echo "$((after - before)) ticks in half a second"
	[ $((after - before)) -lt $(($(getconf CLK_TCK) / 10)) ]
}

# Asks the counters by SIGUSR1: counted 'open 200'.
counted() {
	kill -USR1 "$server"
	grep -q "$1" err
}

# The server has done what the signals before ask for: the one of the lowest number is taken first
# (signal(7)), so the counters of SIGUSR1 come after what SIGHUP does.
signals_taken() {
	local before
	before=$(grep -c '^accepted' err) || true
	kill -USR1 "$server"
	wait_for has_answered "$before"
}

has_answered() { # has_answered BEFORE
	[ "$(grep -c '^accepted' err)" -gt "$1" ]
}

# Skips the test where a peer may not have that many descriptors.
needs_descriptors() {
	local most
	most=$(ulimit -Hn)
	[ "$most" = unlimited ] || [ "$most" -ge "$1" ] ||
		skip "the test wants $1 descriptors, ulimit -Hn allows $most"
}

@test "peers that send nothing cost nothing, with every engine" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol http
		befriend hold 200
		wait_for has_said ready
		wait_for counted 'accepted 200 .* open 200'
		calm
		[ "$(inside curl -sS -o page -w '%{http_code}' "http://127.0.0.1:$port/")" = 200 ]
		dismiss
		wait_for counted 'accepted 201 .* open 0'
		stopped
	done
}

@test "peers that send nothing are closed after the idle timeout, with every engine" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol echo --idle-timeout 200ms
		hostile await_ends 100
		stopped
		[ "$(count accepted)" -eq 100 ]
		[ "$(count idle_closed)" -eq 100 ]
		[ "$(count closed_by_us)" -eq 100 ]
	done
}

@test "a request a byte at a time is served, and its answer as slowly taken" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol http --body-size 1000000
		[ "$(hostile drip)" -eq 1000000 ]
		stopped
		[ "$(count answers)" -eq 1 ]
		[ "$(count closed_by_us)" -eq 1 ]
	done
}

# Kilobytes that the server's processes have in memory of their own.
private_kb() {
	server_pids | sed 's|.*|/proc/&/smaps_rollup|' | xargs cat 2>/dev/null |
		awk '/^Private_/ { sum += $2 } END { print sum + 0 }'
}

@test "10 MB without an end take no memory: chat, discard" {
	for protocol in chat discard; do
		echo "$protocol"
		serve --protocol "$protocol" --close passive
		before=$(private_kb)
		hostile pour 10 >poured &
		pouring=$!
		most=0
		while kill -0 "$pouring" 2>/dev/null; do
			now=$(private_kb)
			[ "$now" -le "$most" ] || most=$now
		done
		wait "$pouring"
		cat poured
		echo "private: $before kB, then at most $most kB"
		[ $((most - before)) -lt 5000 ]
		stopped
		[ "$(count bytes_in)" -eq $((160 * 65536)) ]
	done
}

@test "10 MB of request line or header are refused early" {
	serve --protocol http
	hostile pour 10 >line.out
	hostile pour 10 'GET / HTTP/1.1\r\nHost: x\r\nX: ' >header.out
	cat line.out header.out
	# Neither could send it all; what it could is mostly what buffers took.
	[ "$(cut -d' ' -f1 line.out)" -lt $((160 * 65536)) ]
	[ "$(cut -d' ' -f1 header.out)" -lt $((160 * 65536)) ]
	ended
	[ "$(count accepted)" -eq 2 ]
	[ "$(count answers)" -eq 2 ]
}

@test "peers that never read stop being read from" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol echo
		befriend deaf 3
		wait_for has_said ready
		calm
		[ "$(private_kb)" -lt 100000 ]
		dismiss
		wait_for counted 'open 0'
		stopped
		[ "$(count reset)" -eq 3 ]
	done
}

@test "RST at any moment, with every engine" {
	for engine in $(working_engines); do
		for protocol in http daytime chargen chat; do
			echo "$engine $protocol"
			serve --engine "$engine" --protocol "$protocol" --body-size 100 2>/dev/null ||
				serve --engine "$engine" --protocol "$protocol"
			hostile reset_anywhere 100 7
			wait_for accept_queue_empty
			wait_for counted 'open 0'
			stopped
			jq -e '.accepted == .closed_by_us + .closed_by_peer + .reset + .open' sum.json
			# Those who are gone before they are accepted are told by accept(2), or not at all.
			[ "$(count accepted)" -ge 90 ]
			jq -e '.errors | keys - ["ECONNRESET", "EPIPE", "ECONNABORTED", "ENOTCONN"] == []' sum.json
		done
	done
}

@test "a flood of connects is served, with every engine" {
	needs_descriptors 2100
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine"
		[ "$(hostile flood 2000)" -eq 2000 ]
		stopped
		[ "$(count accepted)" -eq 2000 ]
		[ "$(count answers)" -eq 2000 ]
	done
}

@test "without descriptors accepting pauses, without spin, and resumes" {
	for engine in $(working_engines); do
		[ "$engine" != fork ] || continue # a process has one connection
		echo "$engine"
		PREFIX=(prlimit --nofile=64:64)
		serve --engine "$engine" --protocol echo --threads 1 2>/dev/null ||
			serve --engine "$engine" --protocol echo
		PREFIX=()
		befriend stubborn 200
		wait_for has_said ready
		wait_for counted 'accepting pauses'
		calm
		nudge
		wait_for has_said '^200$'
		dismiss
		wait_for counted 'open 0'
		stopped
		[ "$(grep -c 'accepting pauses' err)" -eq 1 ]
		grep -q 'EMFILE' err
		[ "$(count accepted)" -eq 200 ]
		[ "$(count paused)" -ge 1 ]
		jq -e '.errors.EMFILE >= 1' sum.json
	done
}

@test "more connections than one process has descriptors for are spread over several" {
	PREFIX=(prlimit --nofile=128:128)
	serve --protocol echo --max-connections 400
	PREFIX=()
	befriend echo 400
	wait_for has_said '^400$'
	[ "$(server_pids | wc -l)" -gt 4 ]
	dismiss
	ended
	[ "$(count accepted)" -eq 400 ]
	[ "$(count processes)" -ge 4 ]
}

@test "beyond --max-connections peers are closed at once" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol echo --max-connections 10
		befriend hold 10
		wait_for has_said ready
		wait_for counted 'accepted 10 .* open 10'
		hostile await_ends 15
		dismiss
		wait_for counted 'open 0'
		stopped
		[ "$(count refused)" -eq 15 ]
		[ "$(count accepted)" -eq 25 ]
		[ "$(count closed_by_us)" -eq 15 ]
		[ "$(count closed_by_peer)" -eq 10 ]
	done
}

# "listening on" is said before there are workers.
has_workers() { # has_workers COUNT
	[ "$(pgrep -c -P "$server")" -eq "$1" ]
}

@test "a killed worker is told, and the others go on" {
	serve --protocol echo --processes 2 --threads 2
	befriend hold 20
	wait_for has_said ready
	wait_for counted 'open 20'
	victim=$(pgrep -P "$server" | head -n 1)
	kill -KILL "$victim"
	wait_for grep -q "worker process $victim was killed by SIGKILL" err
	hostile echo 5 0
	dismiss
	ended 1
	[ "$(count accepted)" -eq 25 ]
	[ "$(count processes_died)" -eq 1 ]
}

@test "when the last worker dies the server ends, and says so" {
	serve --protocol echo --processes 1
	wait_for has_workers 1
	kill -KILL "$(pgrep -P "$server" | head -n 1)"
	status=0
	wait "$server" || status=$?
	server=
	[ "$status" -eq 1 ]
	grep -q 'was killed by SIGKILL' err
}

@test "workers die with the server" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --protocol echo --engine "$engine"
		befriend hold 3
		wait_for has_said ready
		wait_for counted 'open 3'
		server_pids >pids
		[ "$(wc -l <pids)" -ge 2 ]
		kill -KILL "$server"
		wait "$server" || true
		server=
		while read -r pid; do
			wait_for eval "! grep -q '^State:.[^Z]' /proc/$pid/status"
		done <pids
		dismiss
	done
}

# The server lets nobody in any more. Asked without a connect, which might still come in.
listens_no_more() {
	[ -z "$(inside ss -Hltn "sport = :$port")" ]
}

@test "SIGTERM lets what has begun end, and lets nobody in" {
	needs_nc
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol http --drain 60s
		befriend half_request
		wait_for has_said ready
		wait_for counted 'bytes in 20'
		kill -TERM "$server"
		wait_for listens_no_more
		run ! inside nc -z 127.0.0.1 "$port"
		kill -0 "$server"
		nudge
		dismiss
		has_said 'HTTP/1.1 200'
		stopped_by_itself
		[ "$(count answers)" -eq 1 ]
		[ "$(count open)" -eq 0 ]
	done
}

@test "a second signal does not wait, and neither does the end of --drain" {
	for engine in $(working_engines); do
		for drain in 60s 300ms; do
			echo "$engine $drain"
			serve --engine "$engine" --protocol http --drain $drain
			befriend half_request
			wait_for has_said ready
			wait_for counted 'bytes in 20'
			kill -TERM "$server"
			[ $drain != 60s ] || { wait_for listens_no_more; kill -TERM "$server"; }
			stopped_by_itself
			dismiss || true
			[ "$(count accepted)" -eq 1 ]
			[ "$(count closed_by_us)" -eq 1 ]
			[ "$(count open)" -eq 0 ]
		done
	done
}

close_waits() { # close_waits COUNT
	[ "$(inside ss -Htn state close-wait | wc -l)" -eq "$1" ]
}

@test "leaks end with the server, and are counted by who closed first" {
	for engine in $(working_engines); do
		echo "$engine"
		serve --engine "$engine" --protocol echo --close never
		befriend hold 20
		wait_for has_said ready
		wait_for counted 'open 20'
		dismiss
		wait_for close_waits 20
		calm
		stopped
		[ "$(count accepted)" -eq 20 ]
		[ "$(count closed_by_peer)" -eq 20 ]
	done
}

@test "SIGUSR1 prints the counters and nothing else happens" {
	needs_nc
	serve
	inside nc -d 127.0.0.1 "$port" >time.out
	wait_for counted '^accepted 1 .*open 0'
	wait_for grep -q '^closed by us 1, by the peer 0, reset 0; answers 1, bytes in 0, out 26' err
	ended
	[ "$(grep -c '^accepted' out || true)" -eq 0 ]
}

@test "SIGHUP reopens the log" {
	needs_nc
	serve --log "$PWD/log"
	inside nc -d 127.0.0.1 "$port" >/dev/null
	wait_for grep -q '#1 ended' log
	mv log log.1
	kill -HUP "$server"
	signals_taken
	inside nc -d 127.0.0.1 "$port" >/dev/null
	ended
	cat log.1 log
	[ "$(grep -c '#1 ' log.1)" -eq 2 ]
	[ "$(wc -l <log.1)" -eq 2 ]
	[ "$(grep -c '#2 ' log)" -eq 2 ]
	[ "$(wc -l <log)" -eq 2 ]
	[ "$(count accepted)" -eq 2 ]
}

@test "a log that cannot be written is counted, and the server goes on" {
	needs_nc
	[ -e /dev/full ] || skip "there is no /dev/full"
	serve --log /dev/full
	inside nc -d 127.0.0.1 "$port" >time.out
	[ "$(wc -c <time.out)" -eq 26 ]
	ended
	[ "$(count log_lines_lost)" -ge 1 ]
}

@test "a port in use names the process" {
	serve
	run --separate-stderr inside "$CONTEST" serve --listen "127.0.0.1:$port"
	echo "$stderr"
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[[ $stderr == *"127.0.0.1:$port: the port is in use: process "*" (contest)"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
	named=${stderr##*: process }
	named=${named%% *}
	server_pids | grep -qx "$named"
}

# restarted OPTIONS…: a server at the same port.
restarted() {
	run --separate-stderr inside "$CONTEST" serve --listen "127.0.0.1:$port" --duration 1ms "$@"
	echo "status $status: $stderr"
}

@test "TIME-WAIT without SO_REUSEADDR is told, and no obstacle with it" {
	needs_nc
	serve
	inside nc -d 127.0.0.1 "$port" >time.out
	ended
	[ -n "$(inside ss -Htan state time-wait "sport = :$port")" ]
	restarted --reuseaddr off
	[ "$status" -eq 3 ]
	[[ $stderr == *"1 connections in TIME-WAIT"*"60 s"*"--reuseaddr=on"* ]]
	restarted
	[ "$status" -eq 0 ]
}

@test "TIME-WAIT of a server that had not set SO_REUSEADDR is told, too" {
	needs_nc
	serve --reuseaddr off
	inside nc -d 127.0.0.1 "$port" >time.out
	ended
	restarted
	[ "$status" -eq 3 ]
	[[ $stderr == *"1 connections in TIME-WAIT"*"60 s"*"had not set SO_REUSEADDR"* ]]
}

@test "no privilege for a low port is told with its way out" {
	needs setpriv
	run --separate-stderr inside setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all \
		"$CONTEST" serve --listen 127.0.0.1:80
	echo "$stderr"
	[ "$status" -eq 3 ]
	[ -z "$output" ]
	[[ $stderr == *"127.0.0.1:80"*"1024"*"CAP_NET_BIND_SERVICE"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "bad addresses are usage errors, and none that is there another" {
	for bad in 10.0.0.256 '[::1' 1:2:3 :80x 127.0.0.1:70000; do
		run --separate-stderr inside "$CONTEST" serve --listen "$bad"
		echo "$bad: $status $stderr"
		[ "$status" -eq 2 ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
	for bad in 10.9.9.9 nosuchdevice; do
		run --separate-stderr inside "$CONTEST" serve --listen "$bad"
		echo "$bad: $status $stderr"
		[ "$status" -eq 3 ]
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
	done
}

@test "io_uring that is forbidden gets one line" {
	[ -e /proc/sys/kernel/io_uring_disabled ] || skip "this kernel cannot forbid it"
	[ "$(cat /proc/sys/kernel/io_uring_disabled)" -ne 0 ] || skip "it is allowed here"
	run --separate-stderr inside "$CONTEST" serve --engine uring --duration 1ms
	[ "$status" -eq 3 ]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}
