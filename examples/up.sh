#!/usr/bin/env bash
# `./run up`: a whole local network in the foreground; Ctrl-C stops all of it and keeps the data in SAGE_HOME (.sage).
#
# SAGE_PASSWORD opens the keystores it makes (default: local-only; they hold test tokens).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=${SAGE_BIN:-$root/.venv/bin}
export SAGE_HOME=${SAGE_HOME:-.sage} SAGE_PASSWORD=${SAGE_PASSWORD:-local-only}
pids=()

stop_all() {
  trap - INT TERM EXIT
  echo "stopping"
  for pid in ${pids[@]+"${pids[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  "$bin/sage" kafka stop
}
trap 'exit 130' INT
trap 'exit 143' TERM
trap stop_all EXIT

join() { # join COMMAND NAME STAKE...: wallet, tokens, stake, registration, once
  local command=$1 name=$2; shift 2
  [ -e "$SAGE_HOME/keystores/$name.json" ] && return
  echo "$name joins"
  # The 24 words of a throw-away wallet are of no use to anybody.
  "$bin/$command" create-wallet --name "$name" >/dev/null 2>&1
  "$bin/$command" request-tokens --name "$name" >/dev/null
  "$bin/$command" stake --name "$name" "$@" >/dev/null
  "$bin/$command" register --name "$name" >/dev/null
}

"$bin/sage" kafka start
"$bin/sage-coordinator" start & pids+=($!)
until [ -e "$SAGE_HOME/network.json" ]; do sleep 0.2; done
for n in 1 2 3 4; do join sage-validator "validator-$n" --amount 10000; done
join sage-worker worker --amount 1000 --gpu-tier T4
for n in 1 2 3 4; do "$bin/sage-validator" start --name "validator-$n" & pids+=($!); done
"$bin/sage-worker" start & pids+=($!)
echo "up: try  ./run sage-coordinator submit-job --type matmul --size 64 --wait"
wait -n
echo "a process ended; see above" >&2
exit 1
