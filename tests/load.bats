#!/usr/bin/env bats
# contest load as a person and a script meet it: what it counts is held against the server's own
# summary and the kernel's counters. Each test has a network namespace of its own, so that ports are
# free and nothing goes outside.
# shellcheck disable=SC2317,SC2030,SC2031 # stories are called by name, in shells of their own

load helpers

setup() {
	needs jq unshare
	needs_worlds
}

# alone FUNCTION: runs the function in a namespace with its loopback up, in the test's folder. What
# it leaves behind ends with it: the shell is the first process of its own process namespace.
alone() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# shellcheck disable=SC2163 # the function that it names
	export -f "$1" serve attempt has_line wait_until end server counter is check_schema listens opened_since
	in_network 120 "$1" ||
		{
			local status=$?
			echo "status $status"
			head -n 60 load.out load.err served.out served.err 2>/dev/null
			return 1
		}
}

# serve OPTIONS…: a server in the background, as $pid, which listens at 127.0.0.1:$port.
serve() {
	: >served.out
	"$CONTEST" serve --listen 127.0.0.1 --port 0 --json "$@" >served.out 2>served.err &
	pid=$!
	wait_until has_line '^listening on ' served.out
	port=$(sed -n '1s/.*://p' served.out)
}

# end: ends the server; its summary is in served.json.
end() {
	kill "$pid"
	wait "$pid"
	sed -n '/^{$/,$p' served.out >served.json
}

# attempt STATUS OPTIONS…: a load of at most a minute that ends so; its results are in load.json.
attempt() {
	local wanted=$1 status=0
	shift
	timeout 60 "$CONTEST" load --json --threads 2 "$@" >load.json 2>load.err || status=$?
	[ "$status" -eq "$wanted" ] || {
		echo "status $status of: contest load $*"
		jq -c 'del(.series, .histograms)' load.json || true
		cat load.err
		return 1
	}
	check_schema load.json
	is '.attempted == .completed + ([.failed[]] | add // 0) + .in_flight'
	is '([.failed[]] | add // 0) == ([.failed_at[]] | add)'
	is '.connected == ([.series[].connected] | add // 0)'
	is '[.latency_us[].count] == [.histograms[].counts | map(.[1]) | add // 0]'
}

# is FILTER: of the results, by jq.
is() {
	jq -e "$1" load.json >/dev/null || {
		echo "not so: $1"
		jq -c 'del(.series, .histograms)' load.json
		return 1
	}
}

# server FILTER: of the server's summary, which also has the results, as $load.
server() {
	jq -e --slurpfile load load.json "\$load[0] as \$load | $1" served.json >/dev/null || {
		echo "not so: $1"
		cat served.json
		jq -c 'del(.series, .histograms)' load.json
		return 1
	}
}

# Kept for the test's end: python is slow.
check_schema() {
	checked=$((${checked:-0} + 1))
	cp "$1" "checked.$checked.json"
}

# schemas: all that was kept follows the schema.
schemas() {
	/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || skip "python3-jsonschema is not installed"
	/usr/bin/python3 - "$root/docs/contest.load.1.schema.json" "$BATS_TEST_TMPDIR"/checked.*.json <<'PYTHON'
import json, jsonschema, sys
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
for name in sys.argv[2:]:
    validator.validate(json.load(open(name)))
PYTHON
}

# counter NAME: the kernel's, of this namespace: Tcp ActiveOpens.
counter() {
	awk -v table="$1:" -v name="$2" '$1 == table && !at { for (i = 2; i <= NF; i++) if ($i == name) at = i; next }
		$1 == table { print $at }' /proc/net/snmp /proc/net/netstat
}

opened_since() {
	[ "$(counter Tcp ActiveOpens)" -gt "$1" ]
}

listens() {
	ss -Hltn "sport = :$1" | grep -q .
}

# ---- what it counts

@test "against all engines of serve: the server counted the same" {
	story() {
		for engine in epoll poll select thread fork uring; do
			serve --engine "$engine" || {
				[ "$engine" = uring ] || return 1
				continue # the kernel may forbid it
			}
			attempt 0 --connections 300 --protocol daytime "127.0.0.1:$port"
			end
			is '.attempted == 300 and .completed == 300 and .answers == 300 and .failed == {}'
			server '.accepted == 300 and .answers == 300 and .bytes_out == $load.bytes_in'
			is '.bytes_in == 300 * 26 and .in_flight == 0 and .interrupted == false'
		done
		[ "$(counter Tcp ActiveOpens)" -ge 1500 ]
	}
	alone story
	schemas
}

@test "each way of closing: who closed first, and the kernel says so, too" {
	story() {
		n=200
		while read -r close serve_close us peer reset time_wait; do
			serve --protocol echo --close "$serve_close"
			before=$(counter TcpExt TW)
			attempt 0 --connections "$n" --protocol echo --close "$close" "127.0.0.1:$port"
			is ".completed == $n and .closed_by_us == $us and .closed_by_peer == $peer
				and .reset_by_us == $reset and .reset_by_peer == 0"
			is '.audit | all(.agrees)'
			[ $(($(counter TcpExt TW) - before)) -eq "$time_wait" ]
			is ".kernel.active_opens == $n and .kernel.passive_opens == $n"
			end
			server '.accepted == 200'
		done <<-CASES
			active passive $n 0 0 $n
			half passive $n 0 0 $n
			linger=1 passive $n 0 0 $n
			rst passive 0 0 $n 0
			passive active 0 $n 0 $n
		CASES
	}
	alone story
	schemas
}

@test "connections that are abandoned stay open until the load ends" {
	story() {
		serve --protocol echo
		env --default-signal "$CONTEST" load --json --connections 300 --protocol echo --close abandon \
			--duration 1h "127.0.0.1:$port" >load.json 2>load.err &
		load=$!
		wait_until bash -c '[ "$(ss -Htn state established "dport = :$1" | wc -l)" -eq 300 ]' bash "$port"
		kill "$load"
		status=0
		wait "$load" || status=$?
		[ "$status" -eq 1 ]
		is '.attempted == 300 and .completed == 300 and .reset_by_us == 300 and .in_flight == 0'
		is '.audit | all(.agrees)'
		check_schema load.json
		end
		server '.accepted == 300 and .reset == 300'
	}
	alone story
	schemas
}

@test "every protocol, with several requests on a connection" {
	story() {
		head -c 100000 /dev/zero | tr '\0' x >payload
		serve --protocol echo
		attempt 0 --connections 50 --protocol echo --payload payload --requests-per-connection 3 "127.0.0.1:$port"
		is '.answers == 150 and .bytes_in == 150 * 100000 and .bytes_out == .bytes_in'
		attempt 0 --connections 50 --protocol raw --payload payload --answer-bytes 100000 "127.0.0.1:$port"
		is '.answers == 50 and .bytes_in == 50 * 100000'
		attempt 0 --connections 50 --protocol connect "127.0.0.1:$port"
		is '.connected == 50 and .answers == 0 and .bytes_in == 0'
		end
		serve --protocol http
		attempt 0 --connections 50 --protocol http --path /x --requests-per-connection 4 "127.0.0.1:$port"
		is '.answers == 200 and .latency_us.first_byte.count == 200 and .latency_us.total.count == 50'
		end
		server '.answers == 200 and .accepted == 50'
	}
	alone story
	schemas
}

@test "a web server of python, and nginx: their logs have as many requests" {
	story() {
		mkdir -p www
		echo hello >www/index.html
		(cd www && exec /usr/bin/python3 -m http.server --bind 127.0.0.1 8000) >python.out 2>python.log &
		python=$!
		wait_until listens 8000
		attempt 0 --connections 60 --concurrency 4 --protocol http 127.0.0.1:8000
		is '.answers == 60 and .failed == {}'
		attempt 1 --connections 10 --concurrency 4 --protocol http --path /none 127.0.0.1:8000
		is '.failed == {"http-status": 10} and .completed == 0'
		[ "$(grep -c '"GET / HTTP/1.1" 200' python.log)" -eq 60 ]
		[ "$(grep -c '"GET /none HTTP/1.1" 404' python.log)" -eq 10 ]
		kill "$python"
		nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || {
			echo 'nginx is not installed' >skipped
			return 0
		}
		mkdir -p nginx
		cat >nginx.conf <<-NGINX
			daemon off; master_process off; pid nginx/pid; error_log nginx/error;
			events { worker_connections 512; }
			http {
				access_log nginx/access; client_body_temp_path nginx; proxy_temp_path nginx;
				fastcgi_temp_path nginx; uwsgi_temp_path nginx; scgi_temp_path nginx;
				server { listen 127.0.0.1:8001; root www; }
			}
		NGINX
		"$nginx" -p "$PWD" -c nginx.conf >nginx.out 2>&1 &
		nginx=$!
		wait_until listens 8001
		attempt 0 --connections 300 --protocol http 127.0.0.1:8001
		attempt 0 --connections 30 --requests-per-connection 10 --protocol http --close passive 127.0.0.1:8001
		is '.answers == 300 and .closed_by_peer == 30'
		kill -QUIT "$nginx"
		wait "$nginx"
		[ "$(grep -c '"GET / HTTP/1.1" 200' nginx/access)" -eq 600 ]
	}
	alone story
	[ ! -e skipped ] || skip "$(cat skipped)"
}

@test "an asked rate is met, and counts from the schedule" {
	story() {
		serve
		attempt 0 --rate 200 --connections 100 "127.0.0.1:$port"
		is '.attempted == 100 and .limited_by == "none" and .seconds > 0.45 and
			.latency_us.late.count == 100'
		end
	}
	alone story
}

@test "several destinations and sources are used in turn" {
	story() {
		serve --listen 127.0.0.2
		other=$(sed -n '2s/.*://p' served.out)
		attempt 0 --connections 40 --protocol daytime --source 127.0.0.10-127.0.0.13 \
			"127.0.0.1:$port" "127.0.0.2:$other"
		is '(.destinations | length) == 2 and .destinations[0].ports_available == .ports_available'
		end
		server '.accepted == 40'
	}
	alone story
	schemas
}

# ---- what runs out

@test "a small range of ports runs out, and it says so; the ring goes on" {
	story() {
		sysctl -qw net.ipv4.tcp_tw_reuse=0
		serve --close passive # at a port outside of the range
		sysctl -qw net.ipv4.ip_local_port_range='30000 30199'
		for ports in kernel range; do
			attempt 1 --duration 2s --close active --ports "$ports" "127.0.0.1:$port"
			is '.limited_by == "local-ports" and .ports_available == 200 and .failed.EADDRNOTAVAIL > 0'
			# A RST ends a TIME-WAIT (RFC 1337), and its port comes back.
			is '.ports_used == 200 and .time_wait >= 190 and .connected >= 190'
			is '.connected <= 210 + .kernel.out_rsts'
			is '.attempted < 1000' # it backs off
			is '.audit | all(.agrees)'
			is '.sysctls.ip_local_port_range_first == 30000 and .sysctls.tcp_tw_reuse == 0'
			grep -q '^contest load: local-ports after ' load.err
			end
			serve --close passive --port "$((port - 1))" # a destination of its own
		done
		# bind() takes only what was bound with SO_REUSEADDR: not what is left of these.
		# Many more than are under way: a port comes round when the server has closed, too.
		attempt 0 --connections 6000 --close active --ports ring --source-ports 31000-32999 --concurrency 16 \
			"127.0.0.1:$port"
		is '.completed == 6000 and .kernel.time_wait_recycled >= 3500'
		timeout 60 "$CONTEST" load --connections 3000 --close active --ports ring \
			--source-ports 31000-32999 "127.0.0.1:$port" >text
		grep -q 'ports ring: ports in TIME-WAIT were taken again' text
		end
	}
	alone story
	schemas
}

@test "nobody listens: refused, by name" {
	story() {
		attempt 1 --connections 50 127.0.0.1:9
		is '.failed == {"ECONNREFUSED": 50} and .limited_by == "peer-refused" and .connected == 0'
		is '.failed_at.connect == 50 and .kernel.attempt_fails == 50'
		timeout 60 "$CONTEST" load --connections 50 127.0.0.1:9 >text && return 1
		grep -q '^ECONNREFUSED  *50  nobody listens there' text
		grep -q '^Limited by: peer-refused$' text
	}
	alone story
	schemas
}

@test "a server that says nothing: the timeout" {
	story() {
		serve --protocol discard
		attempt 1 --connections 5 --protocol daytime --timeout 200ms "127.0.0.1:$port"
		is '.failed == {"timeout": 5} and .failed_at.exchange == 5 and .connected == 5'
		end
	}
	alone story
	schemas
}

@test "few descriptors: several processes, and all is counted" {
	story() {
		serve --protocol echo
		status=0
		prlimit --nofile=100:100 "$CONTEST" load --json --threads 2 --connections 400 --concurrency 400 \
			--protocol echo --close abandon --duration 2s "127.0.0.1:$port" >load.json 2>load.err || status=$?
		cat load.err
		[ "$status" -eq 0 ]
		is '.processes > 3 and .attempted == 400 and .completed == 400 and .descriptor_waits == 0'
		end
		server '.accepted == 400'
		status=0
		prlimit --nofile=100:100 "$CONTEST" load --processes 1 --concurrency 400 "127.0.0.1:$port" \
			>text 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q 'do not fit into 1 process' err
		[ ! -s text ]
	}
	alone story
}

# ---- how it ends

@test "a signal ends it: what has come about is told, saved, and marked" {
	story() {
		serve
		for signal in INT TERM HUP; do
			before=$(counter Tcp ActiveOpens)
			env --default-signal "$CONTEST" load --duration 1h --save saved.json "127.0.0.1:$port" >text 2>err &
			load=$!
			wait_until opened_since "$before"
			kill -s "$signal" "$load"
			status=0
			wait "$load" || status=$?
			[ "$status" -eq 1 ]
			grep -q ' interrupted$' text
			jq -e '.interrupted and .attempted > 0 and .seconds < 60 and
				.attempted == .completed + ([.failed[]] | add // 0) + .in_flight' saved.json
			check_schema saved.json
			rm saved.json
		done
		end
	}
	alone story
	schemas
}

@test "a second signal does not wait for what is under way" {
	story() {
		serve --protocol discard --close passive
		env --default-signal "$CONTEST" load --json --connections 4 --timeout 1h --drain 1h \
			--protocol daytime "127.0.0.1:$port" >load.json 2>load.err &
		load=$!
		wait_until bash -c '[ "$(ss -Htn state established "dport = :$1" | wc -l)" -eq 4 ]' bash "$port"
		kill -INT "$load"
		wait_until has_line '4 connections are in flight; they have 3600 s to end' load.err
		kill -INT "$load"
		status=0
		wait "$load" || status=$?
		[ "$status" -eq 1 ]
		is '.interrupted and .attempted == 4 and .in_flight == 4 and .completed == 0'
		end
	}
	alone story
}

@test "a worker that is killed is told; the rest is counted" {
	story() {
		serve --protocol echo
		"$CONTEST" load --json --processes 2 --threads 2 --duration 2s --protocol echo --close rst \
			"127.0.0.1:$port" >load.json 2>load.err &
		load=$!
		wait_until bash -c '[ "$(pgrep -c -P "$1")" -eq 2 ]' bash "$load"
		kill -KILL "$(pgrep -P "$load" | head -n 1)"
		status=0
		wait "$load" || status=$?
		[ "$status" -eq 1 ]
		grep -q 'worker process [0-9]* was killed by SIGKILL' load.err
		is '.processes_died == 1 and .attempted == .completed + ([.failed[]] | add // 0) + .in_flight'
		end
	}
	alone story
}

@test "it begins when it is told to" {
	story() {
		serve
		at=$(($(date +%s) + 2))
		attempt 0 --connections 5 --start-at "@$at" "127.0.0.1:$port"
		is ".started >= $at and .started < $at + 20"
		env --default-signal "$CONTEST" load --start-at 2200-01-01T00:00:00Z "127.0.0.1:$port" >text 2>err &
		load=$!
		wait_until has_line daytime text
		kill "$load"
		status=0
		wait "$load" || status=$?
		[ "$status" -eq 1 ]
		[ "$(cat err)" = "contest load: interrupted before it began" ]
		end
	}
	alone story
}

# ---- what it leaves

@test "--save and --json are the same; percentiles in HdrHistogram's form" {
	story() {
		serve
		attempt 0 --connections 100 --save saved.json --percentiles percentiles/ "127.0.0.1:$port"
		cmp load.json saved.json
		for name in connect first_byte total close late; do
			grep -q '^ *Value  *Percentile TotalCount 1/(1-Percentile)$' "percentiles/$name.hgrm"
		done
		grep -q '^#\[Max .*Total count *= *100\]' percentiles/total.hgrm
		attempt 0 --connections 100 --percentiles total.hgrm "127.0.0.1:$port"
		grep -q '^#\[Max .*Total count *= *100\]' total.hgrm
		end
	}
	alone story
}

@test "a place that cannot be written to is told before the start" {
	story() {
		for path in no/such/folder/file .; do
			for option in --save --percentiles; do
				[ "$option $path" != '--percentiles .' ] || continue
				status=0
				"$CONTEST" load "$option" "$path" 127.0.0.1:9 >text 2>err || status=$?
				[ "$status" -eq 3 ]
				[ ! -s text ]
				grep -q "^contest load: cannot write $path: " err
			done
		done
		[ "$(counter Tcp ActiveOpens)" -eq 0 ]
	}
	alone story
}

@test "merge is exact and associative; the histogram is the sum" {
	story() {
		serve
		attempt 0 --connections 400 --save a.json "127.0.0.1:$port"
		attempt 0 --connections 300 --close rst --save b.json "127.0.0.1:$port"
		attempt 1 --connections 200 --save c.json 127.0.0.1:9
		attempt 0 --duration 1500ms --rate 300 --save d.json "127.0.0.1:$port"
		end
		merge() { timeout 20 "$CONTEST" load merge --json "$@"; }
		merge a.json b.json >ab.json
		merge c.json d.json >cd.json
		merge b.json c.json >bc.json
		merge ab.json cd.json >left.json
		merge a.json bc.json d.json >middle.json
		merge a.json b.json c.json - <d.json >all.json
		for other in left middle; do
			diff <(jq 'del(.command, .limited_because.evidence)' all.json) \
				<(jq 'del(.command, .limited_because.evidence)' "$other.json")
		done
		merge d.json c.json b.json a.json >backwards.json
		diff <(jq 'del(.command, .limited_because, .destinations, .ports_used, .ports_available)' all.json) \
			<(jq 'del(.command, .limited_because, .destinations, .ports_used, .ports_available)' backwards.json)
		check_schema all.json
		jq -es '.[4] as $all | .[0:4] as $runs |
			$all.runs == 4 and
			$all.attempted == ($runs | map(.attempted) | add) and
			$all.failed == {"ECONNREFUSED": 200} and
			$all.bytes_in == ($runs | map(.bytes_in) | add) and
			$all.started == ($runs | map(.started) | min) and
			$all.close == "several" and $all.protocol == "daytime" and
			$all.limited_by == "peer-refused" and
			($all.series | map(.connected) | add) == $all.connected and
			($all.limited_because.evidence | length) == 4 and
			(reduce ($runs | map(.histograms.total.counts[]))[] as [$i, $n] ({}; .["\($i)"] += $n)) ==
			($all.histograms.total.counts | map({key: "\(.[0])", value: .[1]}) | from_entries)' \
			a.json b.json c.json d.json all.json
		"$CONTEST" load merge a.json b.json >text
		grep -q '^700 connections in .* (2 runs)$' text
		# One alone stays what it was.
		merge a.json >a1.json
		merge a1.json >a2.json
		diff <(jq 'del(.command, .limited_because)' a1.json) <(jq 'del(.command, .limited_because)' a2.json)
		diff <(jq '{sum: .attempted, seconds, started, rate, latency_us, histograms, kernel, audit}' a.json) \
			<(jq '{sum: .attempted, seconds, started, rate, latency_us, histograms, kernel, audit}' a1.json)
	}
	alone story
	schemas
}

@test "merge refuses what is no result, with one line" {
	cd "$BATS_TEST_TMPDIR"
	echo '{"schema": "contest.serve/1"}' >serve.json
	echo '{"schema": "contest.load/2"}' >newer.json
	echo '{"schema": "contest.load/1"}' >empty.json
	echo '{' >broken.json
	echo '[]' >list.json
	fails_with 2 "contest load merge: serve.json: its schema is contest.serve/1, not contest.load/1" load merge serve.json
	fails_with 2 "contest load merge: newer.json: its schema is contest.load/2, which this version of contest does not know (it knows contest.load/1)" \
		load merge newer.json
	fails_with 2 'contest load merge: empty.json: "forecast" is missing' load merge empty.json
	fails_with 2 "contest load merge: list.json: not a result of contest load: it has no \"schema\"" load merge list.json
	run -2 contest load merge broken.json
	[[ $output == "contest load merge: broken.json: not JSON: line "* ]]
	fails_with 3 "contest load merge: cannot read none.json: No such file or directory" load merge none.json
	run -2 contest load merge
	[[ $output == *"which file?"* ]]
}

@test "merge refuses counts that do not add up" {
	story() {
		attempt 1 --connections 3 127.0.0.1:9
		jq '.attempted += 1' load.json >odd.json
		jq '.failed = {"ENOTHING": 3}' load.json >unknown.json
		jq '.histograms.total.counts = [[99999, 1]]' load.json >index.json
		jq '.series = [{"at_s": "x"}]' load.json >series.json
		for name in odd unknown index series; do
			status=0
			"$CONTEST" load merge load.json "$name.json" >text 2>err || status=$?
			[ "$status" -eq 2 ]
			[ ! -s text ]
			[ "$(wc -l <err)" -eq 1 ]
			grep -q "^contest load merge: $name.json: " err
		done
	}
	alone story
}

# ---- what it prints

@test "piped: a plain summary that adds up, and nothing on standard error" {
	story() {
		serve
		timeout 60 "$CONTEST" load --connections 100 "127.0.0.1:$port" >text 2>err
		cat text
		[ ! -s err ]
		grep -q "^127.0.0.1:$port: daytime, close passive, ports " text
		grep -q '^100 connections in .*/s$' text
		grep -q '^  attempted 100: completed 100, failed 0, in flight 0$' text
		grep -q '^  total  *100 ' text
		grep -q '^  closed first: by us 0, by the peer 100; reset: by us 0, by the peer 0$' text
		grep -q "^  our counts agree with the kernel's" text
		grep -q '^Limited by: ' text
		! grep -q "$(printf '\033')" text
		end
	}
	alone story
}

@test "on a terminal of 80 columns a live line tells what happens, and goes when it ends" {
	needs tmux
	story() {
		serve
		export port
		# shellcheck disable=SC2016 # the inner shell's
		tmux -S tmux -f /dev/null new-session -d -x 80 -y 50 \
			'"$CONTEST" load --duration 1h --concurrency 4 "127.0.0.1:$port"; echo over; exec cat'
		shown() { tmux -S tmux capture-pane -p | grep -q "$1"; }
		wait_until shown '^[0-9]* s  [0-9]*/s  in flight [0-9]*  failed 0  p99 .*  ports left [0-9]*$'
		tmux -S tmux send-keys C-c
		wait_until shown '^over$'
		tmux -S tmux capture-pane -p >screen
		cat screen
		! grep -q '/s  in flight' screen
		grep -q ' interrupted$' screen
		tmux -S tmux kill-server
		end
	}
	alone story
}

# ---- bad input

@test "garbage, zero and negative numbers are usage errors" {
	for option in connections concurrency rate threads processes requests-per-connection; do
		for value in 0 -1 x 1.5 ''; do
			run -2 contest load "--$option=$value" 127.0.0.1:9
			[[ $output == "contest load: option '--$option': "* ]]
		done
	done
	for option in duration timeout think ramp drain; do
		for value in 5 -1s x; do
			run -2 contest load "--$option=$value" 127.0.0.1:9
			[[ $output == "contest load: option '--$option': "* ]]
		done
	done
	fails_with 2 "contest load: option '--close': 'pasive' is not active, passive, rst, half, linger=SECONDS or abandon; did you mean 'passive'?" \
		load --close pasive 127.0.0.1
	fails_with 2 "contest load: option '--close': linger needs its seconds: linger=5" load --close linger 127.0.0.1
	fails_with 2 "contest load: option '--source-ports': 20-10 runs backwards" load --source-ports 20-10 127.0.0.1
	fails_with 2 "contest load: option '--source-ports': '0-x' is not a range of ports such as 10000-20000" \
		load --source-ports 0-x 127.0.0.1
	run -2 contest load --source-ports 1-65536 127.0.0.1
	fails_with 2 "contest load: option '--source': 10.0.0.9-10.0.0.1: runs backwards; the lower address comes first" \
		load --source 10.0.0.9-10.0.0.1 127.0.0.1
	fails_with 2 "contest load: option '--source': no connection leads from ::1 to 127.0.0.1:5000" load --source ::1 127.0.0.1
	fails_with 2 "contest load: option '--start-at': @1000 has passed" load --start-at @1000 127.0.0.1
	run -2 contest load --start-at 2026-02-30T00:00:00Z 127.0.0.1
	fails_with 2 "contest load: --v4 and --v6 exclude each other" load --v4 --v6 127.0.0.1
	fails_with 2 "contest load: ::1 is not an IPv4 address" load --v4 ::1
	fails_with 2 "contest load: --payload is for --protocol=echo and raw, not for daytime" load --payload /etc/hostname 127.0.0.1
	fails_with 2 "contest load: --path is for --protocol=http, not for echo" load --path /x --protocol echo 127.0.0.1
	fails_with 2 "contest load: --requests-per-connection is for protocols that ask, not for daytime" \
		load --requests-per-connection 2 127.0.0.1
	fails_with 3 "contest load: cannot read none: No such file or directory" load --protocol raw --payload none 127.0.0.1
}

@test "bad destinations are usage errors; a name that nobody knows, a refusal" {
	run -2 contest load
	[[ $output == *"which destination? Usage: contest load [options] HOST[:PORT]..."* ]]
	fails_with 2 "contest load: '127.0.0.1:0': its port is not a number from 1 to 65535" load 127.0.0.1:0
	fails_with 2 "contest load: '127.0.0.1:x': its port is not a number from 1 to 65535" load 127.0.0.1:x
	fails_with 2 "contest load: '[::1' is not a destination such as 127.0.0.1:80, [::1]:80 or name:80" load '[::1'
	fails_with 2 "contest load: ':80' is not a destination such as 127.0.0.1:80, [::1]:80 or name:80" load :80
	story() {
		status=0
		"$CONTEST" load nobody.invalid >text 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q "^contest load: cannot resolve 'nobody.invalid': " err
		status=0
		"$CONTEST" load mrege a.json >text 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q "did you mean 'contest load merge'?$" err
		attempt 1 --connections 2 '[::1]:9' localhost:9
		is '.failed == {"ECONNREFUSED": 2}'
	}
	alone story
}

@test "a public address is not loaded by mistake" {
	story() {
		status=0
		"$CONTEST" load 8.8.8.8:80 >text 2>err || status=$?
		[ "$status" -eq 2 ]
		[ "$(wc -l <err)" -eq 1 ]
		grep -q -- '--yes-i-own-it 8.8.8.8$' err
		status=0
		"$CONTEST" load --yes-i-own-it 8.8.4.4 8.8.8.8:80 >text 2>err || status=$?
		[ "$status" -eq 2 ]
		# In this namespace no route leads there.
		attempt 1 --connections 3 --yes-i-own-it 8.8.8.8 8.8.8.8:80
		is '.failed == {"ENETUNREACH": 3} and .limited_by == "unreachable"'
	}
	alone story
}

@test "options of load stand in front of its destinations, those of merge behind it" {
	fails_with 2 "contest load: option '--json' is of 'contest load', not of 'contest load merge', whose options stand behind it" \
		load --json merge a.json
	run -0 contest load --help
	[[ $output == *"Usage: contest load [options] HOST[:PORT]..."* ]]
	[[ $output == *"contest load VERB [options] [operands]"* ]]
	[[ $output == *"merge  add results"* ]]
	run -0 contest help load merge
	[[ $output == "contest load merge: "* ]]
}

@test "a source address of another host, and ports outside of the range, are refused" {
	story() {
		status=0
		"$CONTEST" load --source 10.9.9.9 127.0.0.1 >text 2>err || status=$?
		[ "$status" -eq 3 ]
		grep -q '^contest load: cannot connect from 10.9.9.9: ' err
		status=0
		"$CONTEST" load --ports range --source-ports 1000-2000 127.0.0.1 >text 2>err || status=$?
		[ "$status" -eq 3 ]
		[ "$(wc -l <err)" -eq 1 ]
	}
	alone story
}
