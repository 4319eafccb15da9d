#!/usr/bin/env bats
# contest states as a person and a script meet it: what it counts and lists is held against ss on
# sockets that were made on purpose, each in a state of its own. Each test has a network namespace
# of its own.
# shellcheck disable=SC2317,SC2030,SC2031 # stories are called by name, in shells of their own

load helpers

setup() {
	needs jq unshare ss
	[ -x /usr/bin/python3 ] || skip "/usr/bin/python3 is not installed"
	needs_worlds
}

# alone FUNCTION: runs the function in a namespace with its loopback up, in the test's folder. What
# it leaves behind ends with it: the shell is the first process of its own process namespace.
alone() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2163 # the function that it names
	export -f "$1" scene states rows ss_rows is same has_line lacks ugly wait_until serve fails widest
	in_network 120 "$1" ||
		{
			local status=$?
			echo "status $status"
			head -n 60 states.out states.err states.json 2>/dev/null
			return 1
		}
}

# scene: a socket in each state of TCP, until the shell ends (tests/states_scene.py).
scene() {
	mkfifo scene.in
	exec 9<>scene.in
	/usr/bin/python3 "$root/tests/states_scene.py" <&9 >scene.out &
	wait_until has_line ready scene.out
}

# serve OPTIONS…: a server in the background, which listens at 127.0.0.1:$port.
serve() {
	: >served.out
	"$CONTEST" serve --listen 127.0.0.1 --port 0 "$@" >served.out 2>served.err &
	wait_until has_line '^listening on ' served.out
	port=$(sed -n '1s/.*://p' served.out)
}

# states OPTIONS…: its JSON is in states.json.
states() {
	timeout 60 "$CONTEST" states --json "$@" >states.json 2>states.err
	checked=$((${checked:-0} + 1))
	cp states.json "checked.$checked.json"
}

# is FILTER: of states.json, by jq.
is() {
	jq -e "$1" states.json >/dev/null || {
		echo "not so: $1"
		return 1
	}
}

# rows FILTER…: what --list says of state, queues and ends, sorted.
rows() {
	timeout 60 "$CONTEST" states --list "$@" >list.out
	tail -n +2 list.out | awk '{ print $1, $2, $3, $4, $5 }' | LC_ALL=C sort
}

# The same of ss, in our spelling of addresses. Without a filter it would hide what it thinks nobody
# wants.
ss_rows() {
	# shellcheck disable=SC2046 # words are words
	ss -Htan $([ $# -gt 0 ] || echo state all) "$@" >ss.out
	sed -e 's/\[::ffff:\([0-9.]*\)\]/\1/g' -e 's/ \*:/ [::]:/g' ss.out |
		awk '{ print $1, $2, $3, $4, $5 }' | LC_ALL=C sort
}

# same FILE FILE: the same lines, and there are some.
same() {
	[ -s "$1" ] && diff "$1" "$2"
}

# fails STATUS LINES… -- ARGUMENTS…: this status, and these lines on stderr.
fails() {
	local wanted=$1 status=0
	shift
	: >wanted.err
	while [ "$1" != -- ]; do
		printf '%s\n' "$1" >>wanted.err
		shift
	done
	shift
	timeout 60 "$CONTEST" states "$@" >states.out 2>states.err || status=$?
	diff wanted.err states.err
	[ "$status" -eq "$wanted" ] && [ ! -s states.out ]
}

# widest: columns of the widest line of standard input.
widest() {
	wc -L
}

# lacks PATTERN FILE: no line has it.
lacks() {
	if grep -- "$1" "$2"; then
		return 1
	fi
}

# ugly FILE: it has bytes that are neither printable ASCII nor the end of a line.
ugly() {
	LC_ALL=C grep -q '[^ -~]' "$1"
}

# All JSON that was kept follows the schema.
schemas() {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	/usr/bin/python3 - "$root/docs/contest.states.1.schema.json" "$BATS_TEST_TMPDIR"/checked.*.json <<'PYTHON'
import json, jsonschema, sys
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for name in sys.argv[2:]:
    for line in open(name):
        validator.validate(json.loads(line))
PYTHON
}

# ---- truth

@test "all states: counted as ss lists them; minisocks in FIN-WAIT-2 told apart" {
	story() {
		scene
		states
		is '.total == 33 and .fin_wait2_minisocks == 1'
		is '.states == {"LISTEN": 11, "SYN-SENT": 1, "SYN-RECV": 1, "ESTAB": 10, "FIN-WAIT-1": 1, "FIN-WAIT-2": 4,
			"CLOSING": 1, "TIME-WAIT": 1, "CLOSE-WAIT": 2, "LAST-ACK": 1, "UNCONN": 0}'
		ss -Htan | awk '{ n[$1]++ } END { for (s in n) print s, n[s] }' | LC_ALL=C sort >wanted
		jq -r '.states | to_entries[] | select(.value > 0) | "\(.key) \(.value)"' states.json | LC_ALL=C sort >got
		same wanted got
		# What others make of the same sockets: CLOSE-WAIT among the established, FIN-WAIT-2
		# among TIME-WAIT.
		ss -s | grep -q 'estab 12,.*timewait 2)'
		grep -q 'TCP:.* tw 2 ' /proc/net/sockstat
		"$CONTEST" states >states.out
		grep -q '^TIME-WAIT  *1  *1  *5[0-9]s  *5[0-9]s  *for .*; it lasts 60s$' states.out
		grep -q '^FIN-WAIT-2  *4  *1  *5[0-9]s  *5[0-9]s  *1 minisock (closed, no process), 3 full sockets$' states.out
	}
	alone story
	schemas
}

@test "rows are those of ss: IPv4, IPv6, v4-mapped, all states" {
	story() {
		scene
		ss_rows >wanted
		rows >got
		same wanted got
		[ "$(wc -l <got)" -eq 33 ]
		grep -q '^ESTAB 0 0 127.0.0.1:7003 127.0.0.1:' got # v4-mapped
		[ "$(head -n 1 list.out)" = "State      Recv-Q Send-Q Local Address:Port Peer Address:Port Timer           Age" ]
		grep -q '^TIME-WAIT .* timewait,[0-9]*s,0  *[0-9.]*m\?s$' list.out
	}
	alone story
}

@test "filters are those of ss: as one word or several, options before and behind" {
	story() {
		scene
		while read -r filter; do
			# shellcheck disable=SC2086 # words are words
			ss_rows $filter >wanted
			# shellcheck disable=SC2086
			rows $filter >got
			same wanted got
			rows "$filter" >got
			same wanted got
		done <<-'FILTERS'
			state all dport = :7001
			state all ( sport = :7001 or dport = :7003 )
			state all src 127.0.0.0/8 and not dport ge :7005
			state all dst [::1]
		FILTERS
		while read -r state; do
			rows state "$state" >got
			ss -Htan state "$state" | wc -l >wanted
			wc -l <got | same wanted -
			awk -v state="$state" 'tolower($1) != state { exit 1 }' got
		done <<-'STATES'
			time-wait
			close-wait
			fin-wait-1
			last-ack
			closing
			syn-sent
			syn-recv
		STATES
		"$CONTEST" states state time-wait --list >one
		"$CONTEST" states --list state time-wait >two
		"$CONTEST" states --list -- state time-wait >three
		[ "$(wc -l <one)" -eq 2 ] && [ "$(wc -l <two)" -eq 2 ] && [ "$(wc -l <three)" -eq 2 ]
	}
	alone story
}

@test "each source gives the same answer" {
	story() {
		scene
		rows --source diag --processes >wanted
		for source in bpf proc; do
			rows --source "$source" --processes >got 2>err || {
				[ "$source" = bpf ] && grep -q 'BPF is not' err && continue
				return 1
			}
			# /proc does not know how long a listener's queue may grow.
			awk '$1 == "LISTEN" { $3 = 0 } { print }' wanted >left
			awk '$1 == "LISTEN" { $3 = 0 } { print }' got >right
			same left right
		done
	}
	alone story
}

@test "what the kernel adds up comes to what is counted here" {
	counts() { # counts SOURCE OPTION…: groups without the times that timers have left
		"$CONTEST" states --source "$@" --top 0 >table 2>err || return
		sed -E 's/ +[0-9.]+(ms|s)\b//g' table
	}
	export -f counts
	story() {
		scene
		counts bpf --by state >/dev/null || {
			grep -q 'BPF is not' err
			return
		}
		while read -r keys filter; do
			# shellcheck disable=SC2086 # words of the filter
			counts diag --by "$keys" $filter >left
			# shellcheck disable=SC2086 # the same
			counts bpf --by "$keys" $filter >right
			[ "$(wc -l <left)" -gt 1 ]
			same left right
		done <<-'QUESTIONS'
			state
			peer,state
			destination
			local,local-port state listening
			timer,netns
			state state time-wait
			state exclude established
			peer dport ge :1
			state src [::1]
			local-port,state not dst 127.0.0.1
		QUESTIONS
	}
	alone story
}

# ---- groups, order, ports

@test "groups add up, by any keys" {
	story() {
		scene
		for keys in state peer peer-port local local-port destination process user netns timer \
			state,peer destination,state,process,user timer,local,peer-port,netns; do
			states --by "$keys"
			is '([.groups[].count] | add) == .total'
			is "(.groups[0].keys | keys_unsorted | join(\",\")) == \"$keys\""
			is '[.groups[].count] == ([.groups[].count] | sort | reverse)'
			is '(.groups | map(.keys) | unique | length) == (.groups | length)'
		done
		states --by process,state
		is '.groups[] | select(.keys.state == "CLOSE-WAIT") | .count == 2 and .keys.process.name == "python3"'
		is '.groups[] | select(.keys.state == "TIME-WAIT") | .keys.process == null and .timer_most_ms <= 60000'
		states --by state --top 2
		is '(.groups | length) == 2 and .groups[0].keys.state == "LISTEN"'
		"$CONTEST" states --by local,local-port --top 3 >states.out
		[ "$(wc -l <states.out)" -eq 5 ]
		tail -n 1 states.out | grep -q '^and [0-9]* more groups with [0-9]* sockets; --top 0 shows all$'
	}
	alone story
	schemas
}

@test "sorted as asked, and the other way round" {
	story() {
		scene
		"$CONTEST" states --list --sort local-port | tail -n +2 | awk '{ sub(".*:", "", $4); print $4 }' >got
		sort -n got >wanted
		same wanted got
		"$CONTEST" states --list --sort local-port --reverse --top 3 | tail -n +2 >got
		[ "$(wc -l <got)" -eq 3 ]
		"$CONTEST" states --list --sort send-q --top 1 | tail -n 1 | awk '{ exit $3 < 1000000 }'
		"$CONTEST" states --list --sort recv-q --top 1 | tail -n 1 | awk '{ exit $2 < 10000 }'
		"$CONTEST" states --list --sort process --processes | tail -n 1 | grep -q -- ' -$'
		"$CONTEST" states --list --sort timer --top 1 | tail -n 1 | grep -q ' \(on\|persist\),'
		states --by peer-port --sort peer-port
		is '[.groups[].keys["peer-port"]] == ([.groups[].keys["peer-port"]] | sort)'
		states --by peer-port --sort peer-port -r
		is '[.groups[].keys["peer-port"]] == ([.groups[].keys["peer-port"]] | sort | reverse)'
	}
	alone story
}

@test "local ports by destination, of the range; those of listeners are not among them" {
	story() {
		sysctl -qw net.ipv4.ip_local_port_range='30000 30199'
		sysctl -qw net.ipv4.ip_local_reserved_ports='30000-30009'
		serve --close passive --protocol echo # at a port of the range
		"$CONTEST" load --connections 50 --protocol echo --close active "127.0.0.1:$port" >/dev/null
		"$CONTEST" load --connections 20 --protocol echo --close active --source 127.0.0.2 "127.0.0.1:$port" >/dev/null
		states
		is '.states["TIME-WAIT"] == 70'
		is ".ports == [
			{netns: \"own\", local: \"127.0.0.1\", destination: \"127.0.0.1:$port\", used: 50, available: 190, minisocks: 50},
			{netns: \"own\", local: \"127.0.0.2\", destination: \"127.0.0.1:$port\", used: 20, available: 190, minisocks: 20}]"
		"$CONTEST" states >states.out
		grep -q "^Local ports used, of 190 for each destination (net.ipv4.ip_local_port_range: 30000 to 30199)$" states.out
		grep -q "^127.0.0.1  127.0.0.1:$port  *50  26.3%  *50$" states.out
		lacks 'ports that are listened at' states.out
		# The other way round they are at the server's port.
		serve --close active --protocol echo
		"$CONTEST" load --connections 30 --protocol echo --close passive "127.0.0.1:$port" >/dev/null
		"$CONTEST" states sport = ":$port" >states.out
		grep -q '^All are at ports that are listened at here: they take no local port.$' states.out
		lacks '^Local ports' states.out
	}
	alone story
	schemas
}

# ---- processes, namespaces

@test "whose they are: CLOSE-WAIT by process, hostile names escaped" {
	story() {
		cat >hostile.py <<-'PYTHON'
			import ctypes, socket, sys
			ctypes.CDLL(None).prctl(15, b'e\x1b[31m\n"x y\xff', 0, 0, 0)
			at = socket.create_server(("127.0.0.1", 7100))
			client = socket.create_connection(("127.0.0.1", 7100))
			server, _ = at.accept()
			client.shutdown(socket.SHUT_WR)
			print("ready", flush=True)
			sys.stdin.read()
		PYTHON
		mkfifo hostile.in
		exec 8<>hostile.in
		/usr/bin/python3 hostile.py <&8 >hostile.out &
		python=$!
		wait_until has_line ready hostile.out
		"$CONTEST" states >states.out
		grep -qF "e\\x1b[31m\\x0a\"x y\\xff ($python)" states.out
		"$CONTEST" states --list --processes >states.out
		grep -qF "users:((\"e\\x1b[31m\\x0a\\x22x\\x20y\\xff\",pid=$python,fd=" states.out
		[ "$(wc -l <states.out)" -eq 4 ]
		if ugly states.out; then return 1; fi
		states --list --processes state close-wait
		is ".sockets[0].process.pid == $python and .sockets[0].state == \"CLOSE-WAIT\" and .sockets[0].recv_q == 1"
		lacks $'\033' states.json
		states --processes
		is ".groups | all(.keys.process.pid == $python)"
	}
	alone story
	schemas
}

@test "namespaces: by process, by name, all" {
	story() {
		mkfifo other.in
		exec 8<>other.in
		unshare --net bash -c 'ip link set lo up; exec "$CONTEST" serve --listen 127.0.0.1 --port 7200' <&8 >other.out 2>&1 &
		other=$!
		wait_until has_line '^listening on ' other.out
		serve
		states --netns "$other" --list
		is '.total == 1 and .sockets[0].local == "127.0.0.1:7200"'
		states
		is ".total == 1 and .namespaces[0].netns == \"own\""
		states --netns all --by netns,state
		is '.total == 2 and (.groups | length) == 2 and (.namespaces | length) == 2'
		"$CONTEST" states --netns all --list >states.out
		grep -q '^LISTEN .* 127.0.0.1:7200 .* contest([0-9]*)$' states.out
		"$CONTEST" states --netns all | grep -q '^2 TCP sockets in 2 network namespaces$'
		fails 3 'contest states: there is no network namespace nowhere: ip netns lists the names; a PID says that of a process' \
			-- --netns nowhere
	}
	alone story
	schemas
}

# ---- watching

@test "--watch counts what comes and goes, also when as many come as go" {
	story() {
		serve --close passive --protocol echo
		mkfifo lines
		"$CONTEST" states --watch=0.05 --json >lines 2>states.err &
		watch=$!
		exec 7<lines
		read -r line <&7 # the first look is over
		"$CONTEST" load --connections 40 --protocol echo --close active "127.0.0.1:$port" >/dev/null
		printf '%s\n' "$line" >checked.1.json
		wanted='[inputs | .groups[] | select(.keys.state == "TIME-WAIT") | .born] | add // 0'
		while read -r line <&7; do
			printf '%s\n' "$line" >>checked.1.json
			[ "$(jq -n "$wanted" checked.1.json)" -lt 40 ] || break
		done
		kill "$watch"
		wait "$watch"
		[ "$(jq -n "$wanted" checked.1.json)" -eq 40 ]
		jq -es 'all(.schema == "contest.states/1") and .[0].seconds == null and (.[1:] | all(.seconds > 0))' checked.1.json
		[ "$(jq -n '[inputs | .groups[] | select(.keys.state == "TIME-WAIT") | .gone] | add // 0' checked.1.json)" -eq 0 ]
	}
	alone story
	schemas
}

@test "--watch on a terminal draws in place, with rates and a line of bars; a signal ends it" {
	story() {
		scene
		cat >terminal.py <<-'PYTHON'
			import fcntl, os, pty, signal, struct, sys, termios
			child, master = pty.fork()
			if child == 0:
			    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("4H", 8, 60, 0, 0))
			    os.execvp(sys.argv[1], sys.argv[1:])
			seen = b""
			while seen.count(b"\033[7A\r\033[J") < 3:
			    seen += os.read(master, 65536)
			os.kill(child, signal.SIGINT)
			try:
			    while more := os.read(master, 65536):
			        seen += more
			except OSError:
			    pass
			open("seen", "wb").write(seen.replace(b"\r\n", b"\n"))
			sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
		PYTHON
		for locale in C.UTF-8 C; do
			# Of ten states five have room: title, head, five, and the cursor's line.
			LC_ALL=$locale TERM=xterm timeout 60 /usr/bin/python3 terminal.py \
				"$CONTEST" --color=never states --watch=0.05
			grep -q ' 33 TCP sockets, every 0.05 s, 5 more groups' seen
			grep -q '^State  *Sockets  born/s  gone/s$' seen
			[ "$(tr -d '\033' <seen | sed 's/^\[7A\r\[J//' | widest)" -le 59 ]
			tr -d '\r\033' <seen >seen.plain
			[ "$locale" = C.UTF-8 ] || ! ugly seen.plain
		done
		grep -q '^LISTEN  *11  *0  *0  @@' seen
		timeout 1 "$CONTEST" states --watch=0.05 --by process >states.out || [ $? -eq 124 ]
		grep -q '^python3 ([0-9]*)  *29  *0  *0  █*$' states.out
	}
	alone story
}

@test "--watch in two rows draws one line in place, and has not moved the rest away" {
	story() {
		cat >rows.py <<-'PYTHON'
			import fcntl, os, pty, signal, struct, sys, termios
			child, master = pty.fork()
			if child == 0:
			    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("4H", 2, 60, 0, 0))
			    os.execvp(sys.argv[1], sys.argv[1:])
			seen = b""
			while seen.count(b"A\r\033[J") < 3:
			    seen += os.read(master, 65536)
			os.kill(child, signal.SIGKILL)
			for frame in seen.split(b"\033[1A\r\033[J")[:3]:
			    assert frame.count(b"\n") == 1, frame
		PYTHON
		TERM=xterm timeout 60 /usr/bin/python3 rows.py "$CONTEST" --color=never states --watch=0.05
	}
	alone story
}

@test "--watch ends when nobody reads on" {
	story() {
		mkfifo lines
		"$CONTEST" states --watch=3600 >lines 2>states.err &
		watch=$!
		exec 7<lines
		read -r line <&7
		exec 7<&-
		wait "$watch"
	}
	alone story
}

# ---- counters

@test "--counters: those of /proc/net, and what a walk over the same sockets says" {
	story() {
		scene
		sysctl -qw net.ipv4.tcp_max_tw_buckets=8 net.core.somaxconn=77
		states
		mv states.json walk.json
		states --counters
		# No answer that only a walk has is invented.
		is '([.total, .states, .groups, .ports, .timers] | all(. == null)) and .netns == "own"'
		grep '^Tcp:' /proc/net/snmp | awk 'NR == 1 { split($0, n) } NR == 2 { for (i = 2; i <= NF; i++) print n[i], $i }' >snmp
		for name in ActiveOpens PassiveOpens CurrEstab EstabResets MaxConn; do
			is ".counters[\"Tcp.$name\"] == $(awk -v name="$name" '$1 == name { print $2 }' snmp)"
		done
		is ".counters[\"sockstat.TCP.tw\"] == $(sed -n 's/^TCP:.* tw \([0-9]*\) .*/\1/p' /proc/net/sockstat)"
		is '.limits == {"net.ipv4.tcp_max_tw_buckets": 8, "net.core.somaxconn": 77}'
		is ".page_bytes == $(getconf PAGESIZE) and .machine_wide == [\"sockstat.TCP.alloc\", \"sockstat.TCP.mem\", \"sockstat.TCP.orphan\"]"
		# The same sockets, walked over.
		mv states.json counters.json
		jq -s '{w: .[0], c: .[1].counters}' walk.json counters.json >states.json
		is '.w.total == 33 and .c["sockstat.TCP.tw"] == .w.states["TIME-WAIT"] + .w.fin_wait2_minisocks'
		is '.c["sockstat.TCP.inuse"] + .c["sockstat.TCP6.inuse"] ==
			.w.total - .w.states["SYN-RECV"] - .c["sockstat.TCP.tw"]'
		# Of IPv6 are those with such addresses, and one whose addresses are v4-mapped.
		is ".c[\"sockstat.TCP6.inuse\"] == $("$CONTEST" states --list | grep -c ' \[.*\]:') + 1"
		is '.c["Tcp.CurrEstab"] == .w.states.ESTAB + .w.states["CLOSE-WAIT"]' ||
			[ "$(uname -r | tr . ' ' | awk '{ print $1 * 1000 + $2 < 6010 }')" = 1 ] # man page
		"$CONTEST" states --counters >states.out
		grep -q "^ESTAB + CLOSE-WAIT  *$(jq '.c["Tcp.CurrEstab"]' states.json)  *both together " states.out
		grep -q '^Minisocks  *2  *8  *25.0%  *TIME-WAIT, and FIN-WAIT-2 without a process' states.out
		grep -q '^ActiveOpens  *1[0-9]  *connections begun by connect()$' states.out
		sed '1,/^So far/d' states.out | lacks '  0  ' -
		lacks TCPAbortOnMemory states.out
	}
	alone story
	schemas
}

@test "--counters of another namespace, of all, and of an empty one" {
	story() {
		mkfifo other.in
		exec 8<>other.in
		unshare --net bash -c 'ip link set lo up; exec "$CONTEST" serve --listen 127.0.0.1 --port 7200 --threads 1' <&8 >other.out 2>&1 &
		other=$!
		wait_until has_line '^listening on ' other.out
		states --counters --netns "$other"
		is ".netns == \"$other\" and .inode == $(stat -Lc %i "/proc/$other/ns/net") and .counters[\"sockstat.TCP.inuse\"] >= 1"
		states --counters
		is ".inode == $(stat -Lc %i /proc/self/ns/net) and .counters[\"sockstat.TCP.inuse\"] == 0"
		states --counters --netns all
		[ "$(wc -l <states.json)" -eq 2 ]
		jq -es '(map(.inode) | unique | length) == 2 and (map(.counters["sockstat.TCP.inuse"] > 0) | sort) == [false, true]' states.json
		[ "$("$CONTEST" states --counters --netns all | grep -c '^What the kernel has counted of TCP in the network namespace .*([0-9]*)')" -eq 2 ]
		# Nothing was counted: no table of it.
		"$CONTEST" states --counters >states.out
		lacks '^So far' states.out
		fails 3 'contest states: there is no network namespace nowhere: ip netns lists the names; a PID says that of a process' \
			-- --counters --netns nowhere
		# One that is seen and may not be entered is told; one's own is answered for.
		command -v setpriv >/dev/null || return 0
		unshare --net setpriv --bounding-set=-all --inh-caps=-all sleep 60 &
		closed=$!
		wait_until has_line '^CapEff:[[:blank:]]*0*$' "/proc/$closed/status"
		setpriv --bounding-set=-all --inh-caps=-all "$CONTEST" states --counters --json --netns all >states.json 2>states.err
		echo "contest states: 1 network namespace could not be looked into: the network namespace sleep($closed) may not be entered; root may" |
			diff - states.err
		is ".inode == $(stat -Lc %i /proc/self/ns/net) and .namespaces_closed == 1"
	}
	alone story
	schemas
}

@test "--counters: from the first namespace of the machine its limits are known for others" {
	[ -r /proc/sys/net/ipv4/tcp_max_orphans ] || skip "not in the first network namespace: it has no net.ipv4.tcp_max_orphans"
	unshare --net true 2>/dev/null || skip "not root: cannot enter a namespace from the first one"
	cd "$BATS_TEST_TMPDIR"
	unshare --net sleep 60 3>&- &
	other=$!
	elsewhere() {
		[ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	}
	wait_until elsewhere
	states --counters --netns "$other"
	kill "$other"
	is ".limits[\"net.ipv4.tcp_max_orphans\"] == $(cat /proc/sys/net/ipv4/tcp_max_orphans)"
	is ".limits[\"net.ipv4.tcp_mem\"] == [$(tr '\t' ',' </proc/sys/net/ipv4/tcp_mem)] and .counters[\"sockstat.TCP.inuse\"] == 0"
	schemas
}

@test "--counters where /proc is missing, cut or hostile" {
	story() {
		mkdir net
		# told LINE [OPTIONS…]: this line, exit status 3, and nothing on stdout, over the folder net.
		told() {
			local line=$1 status=0
			shift
			# thread-self, which is asked, is this one also behind exec.
			timeout 60 bash -c 'mount --bind net /proc/$$/task/$$/net; exec "$CONTEST" states --counters "$@"' \
				bash "$@" >states.out 2>states.err || status=$?
			printf '%s\n' "$line" | diff - states.err
			[ "$status" -eq 3 ] && [ ! -s states.out ]
		}
		told 'contest states: cannot read /proc/net/netstat: No such file or directory'
		cat /proc/net/netstat >net/netstat
		cat /proc/net/sockstat >net/sockstat
		for text in 'Tcp: A\nTcp: 1 2\n' 'Tcp: "\nTcp: 1\n' 'Tcp: A\033[31m\nTcp: 1\n' 'Tcp: A\nTcp: 99999999999999999999\n' 'Tcp'; do
			# shellcheck disable=SC2059 # is a format
			printf "$text" >net/snmp
			told 'contest states: /proc/net/snmp does not look as the kernel writes it'
			told 'contest states: /proc/net/snmp does not look as the kernel writes it' --json
		done
		head -c 2000000 /dev/zero | tr '\0' ' ' >net/snmp
		told 'contest states: cannot read /proc/net/snmp: File too large'
		rm net/snmp
		mkdir net/snmp
		told 'contest states: cannot read /proc/net/snmp: Is a directory'
		# A kernel without IPv6, and one that counts little: what is not there is not told.
		rmdir net/snmp
		printf 'Tcp: CurrEstab\nTcp: 5\n' >net/snmp
		timeout 60 bash -c 'mount --bind net /proc/$$/task/$$/net; exec "$CONTEST" states --counters' >states.out
		grep -q '^ESTAB + CLOSE-WAIT  *5 ' states.out
		lacks IPv6 states.out
		lacks ActiveOpens states.out
		# The settings, too.
		echo many >somaxconn
		mount --bind somaxconn /proc/sys/net/core/somaxconn
		fails 3 'contest states: /proc/sys/net/core/somaxconn does not look as the kernel writes it' -- --counters
		umount /proc/sys/net/core/somaxconn
		mkdir sys
		mount --bind sys /proc/sys/net
		states --counters
		is '.limits == {} and .counters["Tcp.CurrEstab"] == 0'
		COLUMNS=200 "$CONTEST" states --counters >states.out
		grep -q '^Minisocks  *0  *TIME-WAIT, .* net.ipv4.tcp_max_tw_buckets is not shown in this namespace$' states.out
	}
	alone story
	schemas
}

# ---- bad input, bad days

@test "what is wrong in a filter is pointed at" {
	story() {
		fails 2 "contest states: unknown state 'nonsense'" \
			"  dport = :80 and state nonsense" \
			"                        ^" -- dport = :80 and state nonsense
		fails 2 "contest states: the largest port is 65535" \
			"  dport = :70000" \
			"           ^" -- 'dport = :70000'
		fails 2 "contest states: name of a state expected after 'state'" \
			"  state" \
			"       ^" -- state
		# On a narrow screen, what is in front of it is cut.
		COLUMNS=20 timeout 9 "$CONTEST" states state time-wait and dport = :70000 2>states.err && return 1
		[ "$(tail -n +2 states.err | widest)" -le 19 ]
		[ "$(tail -n 1 states.err | tr -d ' ')" = ^ ]
		fails 2 "contest states: unknown state 'größe'" \
			"  sport = :80 and state größe" \
			"                        ^" -- 'sport = :80 and state größe'
		fails 2 "contest states: unknown state '\xffnone'" \
			"  state \xffnone" \
			"        ^" -- $'state \xffnone'
		# What a user typed is escaped.
		"$CONTEST" states $'src \033[31m' 2>states.err && return 1
		if ugly states.err; then return 1; fi
	}
	alone story
}

@test "what does not go together is told" {
	fails_with 2 "contest states: option '--by': unknown key 'pear'; did you mean 'peer'?" states --by state,pear
	fails_with 2 "contest states: option '--by': 'state' twice" states --by state,state
	fails_with 2 "contest states: option '--by': at most 4 keys" states --by state,peer,local,user,timer
	fails_with 2 "contest states: --list and --by exclude each other" states --list --by state
	fails_with 2 "contest states: --list and --watch exclude each other" states --list --watch
	fails_with 2 "contest states: --sort and --reverse are for --list and --by" states --sort peer
	fails_with 2 "contest states: --sort and --reverse are for --list and --by" states --reverse
	fails_with 2 "contest states: --sort=peer: --by does not name that key" states --sort peer --watch
	fails_with 2 "contest states: --sort=peer: --by does not name that key" states --sort peer --by state
	fails_with 2 "contest states: --sort=count is for groups, not for rows" states --list --sort count
	fails_with 2 "contest states: option '--watch': 'x' is no number of seconds" states --watch=x
	fails_with 2 "contest states: option '--watch': 0 is not from 0.01 to 86400 seconds" states --watch=0
	# Minutes are minutes: "1441m" with an "s" behind it would be milliseconds.
	fails_with 2 "contest states: option '--watch': 1441m is not from 0.01 to 86400 seconds" states --watch=1441m
	fails_with 2 "contest states: unknown option '--lits'; did you mean '--list'?" states --lits
	for option in by=state list processes top=3 sort=peer reverse source=diag; do
		fails_with 2 "contest states: --counters and --${option%=*} exclude each other: no socket is looked at" \
			states --counters "--$option"
	done
	fails_with 2 'contest states: --counters and --watch exclude each other: watch(1) repeats it, watch -d shows what moves' \
		states --watch --counters
	fails_with 2 'contest states: --counters and a filter exclude each other: no socket is looked at' \
		states --counters state time-wait
}

@test "a full disk is told; a reader that has seen enough ends it without a word" {
	story() {
		scene
		for options in '' --list '--by state' --json '--list --json' --counters '--counters --json'; do
			status=0
			# shellcheck disable=SC2086 # words are words
			timeout 60 "$CONTEST" states $options >/dev/full 2>states.err || status=$?
			[ "$status" -eq 3 ]
			[ "$(cat states.err)" = 'contest states: cannot write to standard output: No space left on device' ]
		done
		timeout 60 "$CONTEST" states --watch=0.05 >/dev/full 2>states.err && return 1
		grep -q '^contest states: cannot write to standard output: ' states.err
		for options in --list '--list --json' '--by local-port,state --top 0' --watch=0.05; do
			# shellcheck disable=SC2086 # words are words
			(set +o pipefail; timeout 60 "$CONTEST" states $options 2>states.err | head -c 1 >/dev/null)
			[ ! -s states.err ]
		done
	}
	alone story
}

@test "narrow and wide terminals" {
	story() {
		scene
		for width in 20 40 80 120; do
			for options in '' '--by state,peer' '--by destination,process --top 5' --counters; do
				# shellcheck disable=SC2086 # words are words
				COLUMNS=$width "$CONTEST" states $options >states.out
				[ "$(widest <states.out)" -le "$width" ]
			done
			[ "$width" -lt 40 ] || {
				COLUMNS=$width "$CONTEST" states --list --processes dport = :7001 >states.out
				[ "$(widest <states.out)" -le "$width" ]
			}
		done
		# In a pipe a row is a line.
		"$CONTEST" states --list --processes >states.out
		[ "$(wc -l <states.out)" -eq 34 ]
	}
	alone story
}

@test "without any privilege: the sockets of one's own namespace, by each source that needs none" {
	story() {
		scene
		for source in '' '--source diag' '--source proc'; do
			# shellcheck disable=SC2086 # words are words
			setpriv --bounding-set=-all --inh-caps=-all "$CONTEST" states --json $source >states.json
			is '.total == 33 and .ports != []'
			# The first that works is the one that needs no privilege.
			[ "$source" ] || is '.source == "diag"'
		done
		setpriv --bounding-set=-all --inh-caps=-all "$CONTEST" states --netns all --by netns >states.out
		grep -q ' 33 ' states.out
	}
	needs setpriv
	alone story
}

@test "--watch ends by a signal also when its reader has fallen asleep" {
	story() {
		scene
		mkfifo lines
		"$CONTEST" states --watch=0.01 --json >lines 2>states.err &
		watch=$!
		exec 7<lines
		exec 8>lines
		wait_until pipe_is_full
		exec 8>&-
		kill "$watch"
		wait_until has_ended "$watch"
		wait "$watch"
		# What is there are whole lines, but for the last one.
		cat <&7 | sed '$d' | jq -es 'length > 10 and all(.total == 33)' >/dev/null
	}
	pipe_is_full() {
		/usr/bin/python3 -c 'import select; exit(bool(select.select([], [8], [], 0)[1]))'
	}
	has_ended() {
		! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
	}
	export -f pipe_is_full has_ended
	alone story
}

@test "a full disk is told by its name also where much is written" {
	story() {
		/usr/bin/python3 -c 'if 1:
			import socket
			for port in range(20000, 23000):
			    one = socket.socket()
			    one.bind(("127.0.0.1", port))
			    one.connect(("127.0.0.1", port))
			    one.close()' | cat
		for options in --list '--list --json' '--list --sort peer' '--watch=0.05' '--watch=0.05 --json'; do
			status=0
			# shellcheck disable=SC2086 # words are words
			timeout 60 "$CONTEST" states $options >/dev/full 2>states.err || status=$?
			[ "$status" -eq 3 ]
			[ "$(cat states.err)" = 'contest states: cannot write to standard output: No space left on device' ]
		done
	}
	alone story
}

@test "sorted by user nobody's sockets are the last; by namespace its name decides" {
	story() {
		scene
		states --list --sort user
		is '[.sockets[] | .minisock or .state == "SYN-RECV"] | . == sort and (unique | length) == 2'
		# Processes that are called after what they are in: c, b, a, in the order of their numbers.
		for name in c b a; do
			unshare --net bash -c "ip link set lo up; exec /usr/bin/python3 -c 'if 1:
				import socket, ctypes, time
				ctypes.CDLL(None).prctl(15, b\"$name\", 0, 0, 0)
				at = socket.create_server((\"127.0.0.1\", 7300))
				open(\"$name.ready\", \"w\").close()
				time.sleep(1000)'" &
			wait_until [ -e "$name.ready" ]
		done
		states --netns all --by netns --sort netns sport = :7300
		is '[.groups[].keys.netns[0:2]] == ["a(", "b(", "c("]'
		states --netns all --by netns --sort netns -r sport = :7300
		is '[.groups[].keys.netns[0:2]] == ["c(", "b(", "a("]'
		"$CONTEST" states --netns all --list --sort netns sport = :7300 | tail -n +2 | sed 's/.* //' | cut -c 1 >got
		printf '%s\n' a b c >wanted
		same wanted got
	}
	alone story
}

@test "an empty namespace, and a filter that nothing matches" {
	story() {
		[ "$("$CONTEST" states)" = '0 TCP sockets' ]
		[ "$("$CONTEST" states state time-wait)" = '0 TCP sockets match: state time-wait' ]
		[ "$("$CONTEST" states --by state)" = '0 TCP sockets' ]
		[ "$("$CONTEST" states '')" = '0 TCP sockets' ]
		[ "$("$CONTEST" states ' ')" = '0 TCP sockets' ]
		[ "$("$CONTEST" states --list | wc -l)" -eq 1 ]
		states --list
		is '.total == 0 and .sockets == [] and .groups == [] and .ports == []'
	}
	alone story
	schemas
}

# ---- memory

# BPF is not among them: valgrind 3.19 knows too little of bpf(2), and takes what libbpf hands to
# the kernel for uninitialised.
@test "valgrind finds nothing in any mode" {
	needs valgrind
	story() {
		local grind=(valgrind --quiet --error-exitcode=99 --leak-check=full
			--errors-for-leak-kinds=definite --log-file=grind.log)
		scene
		while read -r words; do
			status=0
			# shellcheck disable=SC2086 # words are words
			timeout 60 "${grind[@]}" "$CONTEST" states $words >states.out 2>states.err || status=$?
			[ "$status" -eq 0 ] && [ -s states.out ] || {
				echo "states $words: status $status"
				cat grind.log
				return 1
			}
		done <<-'END'

			--counters
			--counters --json
			--by state,peer,destination,timer
			--by local-port,process,user,netns --json --source diag
			--processes --sort process -r
			--list --source proc
			--list --processes --sort destination --json
			--list --top 3 --netns all ( dport = :7001 or src 127/8 ) and not state time-wait
		END
		timeout 60 "${grind[@]}" "$CONTEST" states --watch=0.1 --json --by process,state >watch.json &
		watching=$!
		wait_until eval '[ "$(wc -l <watch.json)" -ge 2 ]'
		kill -INT "$watching"
		wait "$watching" || { cat grind.log; return 1; }
	}
	alone story
}
