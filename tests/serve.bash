# What the scenarios of `contest serve` share: a network namespace of the test's own, and a server in
# it. `load helpers` first.

# Makes the namespace; commands run in it by `inside`.
enter_alone() {
	needs unshare nsenter ip jq
	cd "$BATS_TEST_TMPDIR" || return 1
	mkfifo ready
	# shellcheck disable=SC2016 # the inner shell's
	{
		unshare -Urn bash -c 'ip link set lo up && echo $$ >ready && exec sleep infinity' \
			2>unshare.err || echo no >ready
	} 3>&- &
	holder=$!
	read -r keeper <ready
	[ "$keeper" != no ] || {
		keeper=
		skip "no user and network namespaces: $(cat unshare.err)"
	}
}

leave_alone() {
	local pid
	# A server gets its second signal at once: it takes its workers along.
	for pid in ${server:-} ${server:-} ${friends:-} ${holder:-} ${keeper:-}; do
		kill -TERM "$pid" 2>/dev/null || true
	done
}

inside() {
	nsenter --preserve-credentials --user --net -t "$keeper" "$@"
}

# wait_for COMMAND…: until it succeeds.
wait_for() {
	local tries
	for ((tries = 0; tries < 1200; tries++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "waited in vain for: $*"
	return 1
}

listening() {
	grep -q '^listening on' out || ! kill -0 "$server"
}

# serve OPTIONS…: a server in the background, as $server, that listens at 127.0.0.1:$port. PREFIX (an
# array) is what starts it. out and err are its streams; its summary is JSON.
PREFIX=()
serve() {
	: >out
	nsenter --preserve-credentials --user --net -t "$keeper" "${PREFIX[@]}" \
		"$CONTEST" serve --listen 127.0.0.1 --port 0 --json "$@" >out 2>err 3>&- &
	server=$!
	wait_for listening
	port=$(sed -n 's/^listening on 127\.0\.0\.1://p;T;q' out)
	[ -n "$port" ] || {
		cat err
		return 1
	}
}

# Nobody waits to be accepted.
accept_queue_empty() {
	[ "$(inside ss -Hltn "sport = :$port" | awk '{ sum += $2 } END { print sum + 0 }')" -eq 0 ]
}

# stopped [STATUS]: tells the server to end, and it does so in good order; its summary is `sum.json`,
# its counters add up.
stopped() {
	kill -TERM "$server" 2>/dev/null || true
	stopped_by_itself "$@"
}

# The same for one that was told already.
stopped_by_itself() {
	local ended_with=0
	wait "$server" || ended_with=$?
	server=
	echo "status $ended_with"
	cat err
	grep -v '^listening on' out | tee sum.json
	[ "$ended_with" -eq "${1:-0}" ]
	jq -e '.accepted == .closed_by_us + .closed_by_peer + .reset + .open' sum.json
}

# The same, and the counters agree with the kernel's: for the only server of a test.
ended() {
	local opens
	wait_for accept_queue_empty
	opens=$(passive_opens)
	stopped "$@"
	[ "$(count accepted)" -eq "$opens" ]
}

count() { # count NAME: of the summary
	jq ".$1" sum.json
}

# Connections that were established from outside, says the kernel.
passive_opens() {
	inside awk '/^Tcp:/ { if (!n) n = split($0, name); else for (i = 2; i <= n; i++)
		if (name[i] == "PassiveOpens") print $i }' /proc/net/snmp
}

# The processes of the server, itself first.
server_pids() {
	ps -e -o pid=,ppid= | awk -v top="$server" '
		{ pid[NR] = $1; parent[NR] = $2 }
		END {
			ours[top] = 1
			print top
			do {
				found = 0
				for (i = 1; i <= NR; i++)
					if (parent[i] in ours && !(pid[i] in ours)) {
						ours[pid[i]] = found = 1
						print pid[i]
					}
			} while (found)
		}'
}

# Engines that this kernel lets run.
working_engines() {
	local engine known=$BATS_FILE_TMPDIR/engines
	[ -s "$known" ] || for engine in epoll poll select thread fork uring; do
		inside "$CONTEST" serve --listen 127.0.0.1 --port 0 --engine "$engine" \
			--duration 1ms >/dev/null 2>&1 && echo "$engine"
	done >"$known"
	cat "$known"
}

# nc is a name of several programs; skips the test where it is not the one that can end with its
# input.
needs_nc() {
	needs nc
	nc -h 2>&1 | grep -q -e '-N.*EOF' || skip "nc is not OpenBSD's"
}
