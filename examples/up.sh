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

# step CODE WORDS...: run the words; an answer with CODE means that an earlier start did this step already.
step() {
  local code=$1 said; shift
  said=$("$@" 2>&1 >/dev/null) && return 0
  case $said in *"[$code]"*) return 0 ;; esac
  printf '%s\n' "$said" >&2
  return 1
}

# join COMMAND NAME STAKE...: wallet, account, tokens, stake, registration; an interrupted start is taken up again.
join() {
  local command=$1 name=$2 status; shift 2
  # The 24 words of a throw-away wallet are of no use to anybody.
  step keystore_exists "$bin/$command" create-wallet --name "$name" --no-words --offline
  status=$("$bin/$command" status --name "$name" --json)
  case $status in *'"registered": true'*) return 0 ;; esac
  echo "$name joins"
  step wallet_exists "$bin/$command" announce --name "$name"
  step faucet_cooldown "$bin/$command" request-tokens --name "$name"
  # Stake adds up: what an earlier start staked is enough.
  case $status in *'"stake": "0"'*) "$bin/$command" stake --name "$name" "$@" >/dev/null ;; esac
  step already_registered "$bin/$command" register --name "$name"
}

all_run() {
  local pid
  for pid in ${pids[@]+"${pids[@]}"}; do kill -0 "$pid" 2>/dev/null || return 1; done
}

ended() { echo "a process ended; see above" >&2; exit 1; }

"$bin/sage" kafka start
"$bin/sage-coordinator" start & pids+=($!)
until [ -e "$SAGE_HOME/network.json" ]; do all_run || ended; sleep 0.2; done
for n in 1 2 3 4; do join sage-validator "validator-$n" --amount 10000; done
join sage-worker worker --amount 1000 --gpu-tier T4
for n in 1 2 3 4; do "$bin/sage-validator" start --name "validator-$n" & pids+=($!); done
"$bin/sage-worker" start & pids+=($!)
echo "up: try  ./run sage-coordinator submit-job --type matmul --size 64 --wait"
# `wait -n` would say it at once, but macOS comes with bash 3.2, which has none.
while all_run; do sleep 1; done
ended
