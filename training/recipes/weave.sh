#!/usr/bin/env bash
# The shipped Countdown model learns the second format: threads that see their parent's context (ThreadWeaver). Needs orchestra with the extras
# evals, vllm and train. One step a command:
#   bash weave.sh data     # 120k searches as weaver rows, 60k serial, 50k forked, all checked: 16 cores   90 s (51, 10, 20; validation 9)
#   bash weave.sh train    # countdown-6m, extended to 236 tokens; one epoch of 201M tokens on one H200    179 s (1.1M tokens/s), and 30 s to start
#   bash weave.sh eval     # 1,000 held-out problems: weave (all, first), fork, serial; vLLM, greedy       ~1-2 min
#   bash weave.sh grpo     # 8 steps of 32 problems x 8 rollouts, P-GRPO's reward on executed threads      ~4 min
#   bash weave.sh all      # ~10 min: only where commands may last so long
# Every step goes on where it was broken off. `TINY=1 bash weave.sh all` is the same on an idle CPU core in half a minute. Results in $OUT: model, run folders.
set -u
STEP=${1:-all}
PY=${PY:-python3}
WORK=${WORK:-$HOME/weave}
OUT=${OUT:-$WORK/out}
INIT=${INIT:-$HOME/models/countdown-6m}
if [ "${TINY:-0}" = 1 ]; then
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  WEAVER=${WEAVER:-60}; SERIAL=${SERIAL:-60}; APR=${APR:-60}; SHARD=${SHARD:-60}; CORES=${CORES:-1}; VALIDATION=${VALIDATION:-4}
  BATCH=${BATCH:-1024}; STEPS=${STEPS:-2}; WARMUP=${WARMUP:-1}; LOG=${LOG:-1}; SAVE=${SAVE:-100}
  WIDTH=${WIDTH:-1024}; PROBLEMS=${PROBLEMS:-1}; ENGINE=${ENGINE:-transformers}; AT_ONCE=${AT_ONCE:-2}; BEAM=${BEAM:-3}; LIMIT=${LIMIT:-100}
  TOKENS=${TOKENS:---tree-tokens 150}
  GRPO=${GRPO:---steps 1 --group 2 --problems-per-step 1 --size 3 --window 128 --minibatches 1 --eval-every 0 --row-tokens 1024}
else
  WEAVER=${WEAVER:-120000}; SERIAL=${SERIAL:-60000}; APR=${APR:-50000}; SHARD=${SHARD:-5000}; CORES=${CORES:-16}; VALIDATION=${VALIDATION:-500}
  BATCH=${BATCH:-122880}; STEPS=${STEPS:-}; WARMUP=${WARMUP:-100}; LOG=${LOG:-50}; SAVE=${SAVE:-500}
  PROBLEMS=${PROBLEMS:-1000}; ENGINE=${ENGINE:-vllm}; AT_ONCE=${AT_ONCE:-64}; BEAM=${BEAM:-24}; LIMIT=${LIMIT:-570}
  WIDTH=${WIDTH:-3072}; TOKENS=${TOKENS:-} # so wide are 24 threads and what they wrote
  GRPO=${GRPO:---steps 8 --group 8 --problems-per-step 32 --eval-every 4 --eval-problems 200 --save-every 4 --row-tokens $WIDTH}
fi
# More threads would spin beside other processes on the same cores. Where it is set, `nproc` prints no more than that: give CORES as a number.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
LR=${LR:-1e-3}
SEED=${SEED:-0}
ACCUMULATE=${ACCUMULATE:-1}      # raise it when memory runs out: the mask of a batch alone takes 40 rows x 3072 x 3072
MODEL=${MODEL:-$OUT/countdown-6m-weave}
mkdir -p "$WORK" "$OUT"
run() { local t=$SECONDS; echo "\$ $*"; timeout "$LIMIT" "$@"; local rc=$?; echo "-- rc $rc, $((SECONDS - t)) s"; return $rc; }
make() { # FORMAT PROBLEMS FOLDER SPLIT
  run $PY -m orchestra.training.formats make --format "$1" --problems "$2" --width "$WIDTH" --shard-size "$SHARD" --workers "$CORES" --seed "$SEED" \
    --split "$4" --out "$3" > "$WORK/$1-$4.log" 2>&1 || { tail -n 3 "$WORK/$1-$4.log"; return 1; }
  tail -n 2 "$WORK/$1-$4.log"
}

data() {
  make weaver "$WEAVER" "$WORK/weaver" train && make serial "$SERIAL" "$WORK/serial" train && make apr "$APR" "$WORK/apr" train \
    && make weaver "$VALIDATION" "$WORK/validation" validation
}
train() {
  [ -e "$MODEL/training.json" ] && { echo "$MODEL is trained"; return 0; }
  run $PY -m orchestra.training.sft --init "$INIT" --data "$WORK/weaver" "$WORK/serial" "$WORK/apr" --validation "$WORK/validation" --out "$MODEL" \
    --lr "$LR" ${STEPS:+--steps "$STEPS"} --warmup "$WARMUP" --batch-tokens "$BATCH" --accumulate "$ACCUMULATE" --seed "$SEED" --log-every "$LOG" \
    --save-every "$SAVE" 2>> "$WORK/train.log"
  local rc=$?
  tail -n 2 "$WORK/train.log"
  cat "$MODEL/countdown.json"
  return $rc
}
solve() { # NAME ARGS…
  local name=$1; shift
  run $PY -m orchestra.cli eval countdown --engine "$ENGINE" --model "$MODEL" --limit "$PROBLEMS" --concurrency "$AT_ONCE" --out "$OUT/$name" $TOKENS "$@" 2>> "$WORK/eval.log" \
    || tail -n 3 "$WORK/eval.log"
}
evaluate() {
  solve weave-all --method weave --join all --beam "$BEAM" --timelines 2
  [ "${TINY:-0}" = 1 ] && return 0
  solve weave-first --method weave --join first --beam "$BEAM" --timelines 2
  solve fork-all --method fork --join all --beam "$BEAM" --timelines 2
  solve serial --method serial --beam 8 --window 1024
}

grpo() {
  # --foreground and INT: the trainer finishes its step and saves; vLLM's processes must live until then.
  local t=$SECONDS
  timeout --foreground -s INT -k 45 "$LIMIT" $PY -m orchestra.training.grpo --model "$MODEL" --out "$OUT/grpo" --engine "$ENGINE" --method weave \
    --beam "$BEAM" --temperature "${TEMPERATURE:-1.5}" --reward "${REWARD:-p_grpo_gated}" --lr 5e-5 --seed "$SEED" $GRPO 2>> "$WORK/grpo.log"
  local rc=$?
  echo "-- grpo: rc $rc, $((SECONDS - t)) s"
  tail -n 3 "$OUT/grpo/metrics.jsonl" 2> /dev/null || tail -n 5 "$WORK/grpo.log"
  return $rc
}

case $STEP in
  data) data ;;
  train) train ;;
  eval) evaluate ;;
  grpo) grpo ;;
  all) data && train && evaluate && grpo ;;
  *) echo "data, train, eval, grpo or all, got $STEP"; exit 2 ;;
esac
