#!/usr/bin/env bash
# The ten scenarios as the commands that a person types, every process its own, on a real broker.
#
#   tests/e2e/lifecycle.sh                               jobs of type matmul, 64 x 64, and one job of each other type
#   tests/e2e/lifecycle.sh --type matmul --size 1024     another size
#   tests/e2e/lifecycle.sh --type vm                     the jobs of all scenes of another type: vm or inference
#   KEEP=1 ...                                           leave the data folder (it is named at the end)
#
# SAGE_BIN names the folder of the commands; else they come from the project's environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=${SAGE_BIN:-$root/.venv/bin}
kind=matmul size=64
while [ $# -gt 1 ]; do
  case $1 in
    --type) kind=$2 ;;
    --size) size=$2 ;;
    *) break ;;
  esac
  shift 2
done
case $#$kind in
  0matmul | 0vm | 0inference) ;;
  *) echo "usage: lifecycle.sh [--type matmul|vm|inference] [--size N]" >&2; exit 2 ;;
esac

export SAGE_HOME
SAGE_HOME=$(mktemp -d)
export SAGE_PASSWORD=only-for-this-run
unset KAFKA_BOOTSTRAP KAFKA_CONFIG SAGE_CONFIG SAGE_NAME SAGE_KEYSTORES
cd "$SAGE_HOME"
logs=$SAGE_HOME/logs
mkdir "$logs"
pids=()

step() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

stop_all() {
  local status=$? pid
  set +e
  for pid in ${pids[@]+"${pids[@]}"}; do kill -TERM "$pid" 2>/dev/null; done
  for pid in ${pids[@]+"${pids[@]}"}; do wait "$pid" 2>/dev/null; done
  "$bin/sage" kafka stop >/dev/null 2>&1
  if [ "$status" != 0 ]; then tail -n 6 "$logs"/*.log >&2; fi
  if [ "${KEEP:-0}" = 1 ]; then echo "data: $SAGE_HOME"; else rm -rf "$SAGE_HOME"; fi
  exit "$status"
}
trap stop_all EXIT

# start NAME COMMAND...: a process of its own, its log in a file.
start() {
  local name=$1; shift
  "$@" >"$logs/$name.log" 2>&1 </dev/null &
  pids+=($!)
  echo "$!" >"$logs/$name.pid"
}

# stop NAME: SIGTERM, and it must leave with 0.
stop() {
  local pid status=0 other kept=()
  pid=$(cat "$logs/$1.pid")
  kill -TERM "$pid"
  wait "$pid" || status=$?
  [ "$status" = 0 ] || fail "$1 left with exit code $status"
  for other in ${pids[@]+"${pids[@]}"}; do [ "$other" = "$pid" ] || kept+=("$other"); done
  pids=(${kept[@]+"${kept[@]}"})
}

# get PATH: a value of the JSON document on standard input, such as events.0.event
get() {
  "$bin/python" -c '
import json, sys
value = json.load(sys.stdin)
for part in sys.argv[1].split("."):
    value = value[int(part)] if isinstance(value, list) else value[part]
print(value)' "$1"
}

# expect WHAT WANTED FOUND
expect() { [ "$2" = "$3" ] || fail "$1: expected $2, found $3"; printf '   %s: %s\n' "$1" "$3"; }

# event WANTED COMMAND...: the command's first event.
event() {
  local wanted=$1; shift
  expect "${1##*/} $2" "$wanted" "$("$@" --json 2>>"$logs/commands.log" | get events.0.event)"
}

# refused CODE EXIT COMMAND...: it must end with that exit code and reason.
refused() {
  local code=$1 exit=$2 status=0 out; shift 2
  out=$("$@" --json 2>>"$logs/commands.log") || status=$?
  expect "${1##*/} $2 refused with" "$code $exit" "$(get error.code <<<"$out") $status"
}

# job_words TYPE: what submit-job is told.
job_words() {
  case $1 in
    matmul) echo "--type matmul --size $size" ;;
    vm) echo "--type vm --input $SAGE_HOME/program.json" ;;
    inference) echo "--type inference --images digits:0-15" ;;
  esac
}

# until_true SECONDS COMMAND...
until_true() {
  local deadline=$((SECONDS + $1)); shift
  until "$@"; do [ "$SECONDS" -lt "$deadline" ] || fail "nothing came of: $*"; sleep 0.5; done
}

validator_joins() {
  local name=$1
  "$bin/sage-validator" create-wallet --name "$name" --no-words --json
  "$bin/sage-validator" request-tokens --name "$name" --json
  "$bin/sage-validator" stake --amount 10000 --name "$name" --json
  "$bin/sage-validator" register --name "$name" --json
}

step "a broker and a coordinator"
expect "broker ready" True "$("$bin/sage" kafka start --json 2>"$logs/kafka.log" | get ready)"
"$bin/sage-coordinator" init --no-words --json 2>>"$logs/commands.log" >/dev/null
start coordinator "$bin/sage-coordinator" start

step "four validators"
joining=()
for n in 1 2 3 4; do
  validator_joins "validator-$n" >"$logs/join-$n.log" 2>&1 &
  joining+=($!)
done
for pid in ${joining[@]+"${joining[@]}"}; do wait "$pid" || { cat "$logs"/join-*.log >&2; fail "a validator could not join"; }; done
for n in 1 2 3 4; do start "validator-$n" "$bin/sage-validator" start --name "validator-$n"; done
expect "validators" 4 "$("$bin/sage" projection show workers --table validators --json | "$bin/python" -c '
import json, sys; print(sum(row["registered"] for row in json.load(sys.stdin)))')"

step "1-4 wallet, tokens, stake, registration"
event WalletCreated "$bin/sage-worker" create-wallet --no-words
refused keystore_exists 2 "$bin/sage-worker" create-wallet
event TokensGranted "$bin/sage-worker" request-tokens
refused faucet_cooldown 1 "$bin/sage-worker" request-tokens
refused below_minimum 1 "$bin/sage-worker" stake --amount 999 --gpu-tier T4
event Staked "$bin/sage-worker" stake --amount 1000 --gpu-tier T4
event WorkerRegistered "$bin/sage-worker" register
start worker "$bin/sage-worker" start

"$bin/sage" vm job "$root/examples/vm/collatz.asm" --input 27 --out "$SAGE_HOME/program.json" --json >/dev/null
step "5-8 a job ($(job_words "$kind")): executed, proven, judged, paid in an encrypted amount"
# shellcheck disable=SC2046  # type and options are words of their own
"$bin/sage-coordinator" submit-job $(job_words "$kind") --no-words --wait --json \
  >"$logs/job.json" 2>>"$logs/commands.log" || fail "the job was not completed: $(cat "$logs/job.json")"
job=$(get job_id <"$logs/job.json")
expect "outcome" completed "$(get outcome <"$logs/job.json")"
"$bin/python" - "$logs/job.json" <<'PY'
import json, sys
names = [event["event"] for event in json.load(open(sys.argv[1]))["events"]]
print("   " + " ".join(names))
wanted = ["EscrowLocked", "JobSubmitted", "JobAssigned", "JobStarted", "ProofGenerated", "TallyOpened", "ConsensusReached",
          "JobCompleted", "EscrowReleased", "PaymentDue", "PaymentEncrypted"]
missing = [name for name in wanted if name not in names]
assert not missing, f"missing: {missing}"
assert names.count("VoteCast") >= 3, "fewer than three votes"
PY
expect "proof verified by hand" True "$("$bin/sage-coordinator" verify-proof "$job" --json | get valid)"
expect "wait-job" completed "$("$bin/sage-coordinator" wait-job "$job" --json 2>/dev/null | get outcome)"

step "9 claim, balance"
expect "claimed" 8000000000000000000 "$("$bin/sage-worker" claim --json | get total)"
refused already_claimed 1 "$bin/sage-worker" claim "$job"
expect "nothing is left for claim-payments" 0 "$("$bin/sage-worker" claim-payments --json | get total)"
expect "balance" 19008000000000000000000 "$("$bin/sage-worker" balance --json | get balance)"
expect "hidden balance" 0 "$("$bin/sage-worker" balance --json | get available)"
expect "the client's hidden balance" 10000000000000000000 "$("$bin/sage-coordinator" balance --json | get available)"
expect "the price, read by its client" 10000000000000000000 "$("$bin/sage" payment show "$job" --name client --json | get price)"
expect "the price, read by nobody" None "$("$bin/sage" payment show "$job" --name validator-1 --json | get price)"
expect "state" paid "$("$bin/sage-coordinator" show-job "$job" --json | get state)"

step "jobs of the other types, the same way"
for other in matmul vm inference; do
  [ "$other" != "$kind" ] || continue
  # shellcheck disable=SC2046
  "$bin/sage-coordinator" submit-job $(job_words "$other") --no-words --wait --json >"$logs/job.json" 2>>"$logs/commands.log" ||
    fail "the job was not completed: $(cat "$logs/job.json")"
  job=$(get job_id <"$logs/job.json")
  expect "$other" completed "$(get outcome <"$logs/job.json")"
  expect "proof verified by hand" True "$("$bin/sage-coordinator" verify-proof "$job" --json | get valid)"
done
expect "claimed" 16000000000000000000 "$("$bin/sage-worker" claim --json | get total)"

step "10 an invalid proof: voted down, the stake slashed, the job done by another"
event WalletCreated "$bin/sage-worker" create-wallet --name cheat --no-words
event TokensGranted "$bin/sage-worker" request-tokens --name cheat
event Staked "$bin/sage-worker" stake --name cheat --amount 1000 --gpu-tier T4
event WorkerRegistered "$bin/sage-worker" register --name cheat
# The honest worker steps aside, so that the job is the cheat's.
event WorkerDeparted "$bin/sage-worker" depart
stop worker
start cheat "$bin/python" "$here/cheating_worker.py" cheat
# shellcheck disable=SC2046
job=$("$bin/sage-coordinator" submit-job $(job_words "$kind") --json 2>>"$logs/commands.log" | get job_id)
slashed() {
  local found
  found=$("$bin/sage-worker" status --name cheat --json 2>>"$logs/commands.log" | get slashed) || fail "no status of the cheat"
  [ "$found" = 100000000000000000000 ]
}
until_true 300 slashed
# 10 % of 1,000 SAGE.
expect "stake of the cheat" 900000000000000000000 "$("$bin/sage-worker" status --name cheat --json | get stake)"
stop cheat
event WorkerRegistered "$bin/sage-worker" register
start worker "$bin/sage-worker" start
expect "the job" completed "$("$bin/sage-coordinator" wait-job "$job" --timeout 600 --json 2>/dev/null | get outcome)"
expect "its attempts" 2 "$("$bin/sage-coordinator" show-job "$job" --json | get attempt)"
expect "proof of attempt 1" False "$("$bin/sage-coordinator" verify-proof "$job" --json | get proofs.0.valid)"
expect "proof of attempt 2" True "$("$bin/sage-coordinator" verify-proof "$job" --json | get proofs.1.valid)"
expect "claimed" 8000000000000000000 "$("$bin/sage-worker" claim --json | get total)"

step "everybody leaves; replay and audit"
for name in worker validator-1 validator-2 validator-3 validator-4 coordinator; do stop "$name"; done
"$bin/sage" audit verify --json >"$logs/audit.json" 2>>"$logs/commands.log" || fail "audit: $(cat "$logs/audit.json")"
expect "the log holds" True "$(get holds <"$logs/audit.json")"
for model in balances stakes workers jobs consensus payments; do
  "$bin/sage" projection hash "$model" --json | get 0.hash
done >"$logs/live.hashes"
"$bin/sage" projection rebuild --all --json 2>>"$logs/commands.log" >"$logs/rebuilt.json"
for n in 0 1 2 3 4 5; do get "$n.hash" <"$logs/rebuilt.json"; done >"$logs/rebuilt.hashes"
cmp "$logs/live.hashes" "$logs/rebuilt.hashes" || fail "the rebuilt models differ from the live ones"
for model in balances stakes workers jobs consensus payments; do get "state_hashes.$model" <"$logs/audit.json"; done |
  cmp - "$logs/rebuilt.hashes" || fail "the audit's models differ from the rebuilt ones"
chosen=$("$bin/sage" devices --json 2>>"$logs/commands.log" | get chosen)
expect "made all proofs" "$chosen" "$("$bin/sage" projection show jobs --table attempts --json | "$bin/python" -c '
import json, sys; print(", ".join(sorted({row["backend"] for row in json.load(sys.stdin)})))')"
expect "dead letters" 0 "$("$bin/sage" dlq list --json | "$bin/python" -c 'import json, sys; print(len(json.load(sys.stdin)))')"
printf '\nall ten scenarios passed in %s s\n' "$SECONDS"
