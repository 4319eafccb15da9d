# What the measurements of `contest serve` share; read by bench/serve-*, not run.
#
# All of it happens in a network namespace of its own: servers on core 0, clients on core 1.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
contest=${CONTEST:-$here/../build/contest}
contest=$(realpath "$contest") || exit 3
out=$(realpath -m "${1:-$(mktemp -d)}")
port=8080
server=''

for tool in nginx wrk ab jq gnuplot curl; do
	[ -n "$(PATH=$PATH:/usr/sbin type -P "$tool")" ] || {
		echo "$0: $tool is not installed; scripts/deps bench installs it" >&2
		exit 3
	}
done
PATH=$PATH:/usr/sbin

if [ -z "${CONTEST_BENCH_INSIDE-}" ]; then
	export CONTEST_BENCH_INSIDE=1 CONTEST=$contest
	exec unshare -Urnpm --mount-proc --kill-child "$0" "$out"
fi

ip link set lo up
echo '1024 65535' >/proc/sys/net/ipv4/ip_local_port_range
# Room for all that may wait at once: nothing is to be measured that is only an overflow.
echo 200000 >/proc/sys/net/core/somaxconn
echo 262144 >/proc/sys/net/ipv4/tcp_max_tw_buckets
ulimit -n "$(ulimit -Hn)"

mkdir -p "$out"
tmp=$(mktemp -d)
trap 'stop; rm -rf "$tmp"' EXIT

hold=${HOLD:-$(dirname "$contest")/bench/hold}
if [ ! -x "$hold" ]; then
	hold=$tmp/hold
	cc -std=gnu17 -D_GNU_SOURCE -O2 -o "$hold" "$here/hold.c" || exit 3
fi

on_client() {
	taskset -c 1 "$@"
}

# The first answer says that it is there. Nobody waits here in a measurement.
wait_for_server() {
	local tries=500

	until curl -s -o /dev/null "http://127.0.0.1:$port/"; do
		tries=$((tries - 1))
		if [ $tries -eq 0 ] || ! kill -0 "$server" 2>/dev/null; then
			echo "$0: no server: $(cat "$tmp/server.err")" >&2
			exit 3
		fi
		sleep 0.01
	done
}

start_contest() { # start_contest OPTION…: its summary goes to $tmp/summary.json
	taskset -c 0 "$contest" serve --listen 0.0.0.0 --port "$port" --protocol http --body-size 100 \
		--backlog 200000 --drain 0s --json "$@" >"$tmp/summary" 2>"$tmp/server.err" &
	server=$!
	wait_for_server
}

start_nginx() { # start_nginx WORKERS CONNECTIONS-OF-EACH [deferred]
	local body
	body=$(printf 'x%.0s' {1..100})
	cat >"$tmp/nginx.conf" <<-CONF
		daemon off;
		user root root;
		pid $tmp/nginx.pid;
		error_log $tmp/nginx.log;
		worker_processes $1;
		events { worker_connections $2; }
		http {
			access_log off;
			default_type text/plain;
			client_header_timeout 600s;
			client_body_temp_path $tmp/body;
			proxy_temp_path $tmp/proxy;
			fastcgi_temp_path $tmp/fastcgi;
			uwsgi_temp_path $tmp/uwsgi;
			scgi_temp_path $tmp/scgi;
			server {
				listen $port backlog=200000${3:+ $3};
				location / { return 200 "$body"; }
			}
		}
	CONF
	taskset -c 0 nginx -c "$tmp/nginx.conf" -e "$tmp/nginx.log" 2>"$tmp/server.err" &
	server=$!
	wait_for_server
}

stop() {
	[ -n "$server" ] || return 0
	kill -TERM "$server" 2>/dev/null || true
	wait "$server" 2>/dev/null || true
	server=''
}

look() {
	"$hold" look "$server"
}

machine() {
	echo "kernel $(uname -r), $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
		head -n 1)), load $(cut -d' ' -f1 /proc/loadavg)"
}
