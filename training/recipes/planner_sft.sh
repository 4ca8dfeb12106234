#!/usr/bin/env bash
# The planner in the box, from nothing to numbers on its four held-out splits. Needs orchestra with the extras
# vllm and train. One step a command:
#   bash planner_sft.sh data     # 2.2M tasks, 336M tokens, one plan in four run, on CORES cores
#   bash planner_sft.sh train    # 12.4M parameters, one epoch
#   bash planner_sft.sh eval     # 1,000 tasks of each split, greedy; vLLM in bf16, or ENGINE=transformers
#   bash planner_sft.sh all      # only where commands may last so long
# models/planner-12m was trained with these settings on one H200 of a host with 32 cores, beside other work: data 211 s on CORES=19 (10,400 tasks/s, tokenizer and
# validation included), training 196 s (1.71M tokens/s) while GRPO ran on the same GPU. Right, with ENGINE=transformers: names 99.2 %, combinations 99.1, deeper 90.9,
# wider 94.7. The planner before it had four levels, lists of four and LAYERS=6 INTERMEDIATE=1024 (evals/recorded/sft-h200).
# Every step goes on where it was broken off: shards stay, training resumes from its last checkpoint, measured shards stay.
# GPUS=2 trains with torchrun. `TINY=1 bash planner_sft.sh all` is the same on a CPU in about a minute. Results in $OUT: model, curves, summary.json.
set -u
STEP=${1:-all}
PY=${PY:-python3}
WORK=${WORK:-$HOME/planner}
OUT=${OUT:-$WORK/out}
if [ "${TINY:-0}" = 1 ]; then
  TASKS=${TASKS:-2000}; SHARD=${SHARD:-1000}; CORES=${CORES:-1}; TOKENIZER_TASKS=${TOKENIZER_TASKS:-1000}; VALIDATION=${VALIDATION:-100}
  HIDDEN=${HIDDEN:-128}; LAYERS=${LAYERS:-2}; INTERMEDIATE=${INTERMEDIATE:-320}; BATCH=${BATCH:-4096}; EPOCHS=${EPOCHS:-0.5}; WARMUP=${WARMUP:-5}; LOG=${LOG:-10}; SAVE=${SAVE:-20}
  HELD_OUT=${HELD_OUT:-10}; ENGINE=${ENGINE:-transformers}; REQUESTS=${REQUESTS:-32}; export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
else
  TASKS=${TASKS:-2200000}; SHARD=${SHARD:-10000}; CORES=${CORES:-16}; TOKENIZER_TASKS=${TOKENIZER_TASKS:-20000}; VALIDATION=${VALIDATION:-4000}
  HIDDEN=${HIDDEN:-384}; LAYERS=${LAYERS:-8}; INTERMEDIATE=${INTERMEDIATE:-704}; BATCH=${BATCH:-131072}; EPOCHS=${EPOCHS:-1.0}; WARMUP=${WARMUP:-200}; LOG=${LOG:-50}; SAVE=${SAVE:-500}
  HELD_OUT=${HELD_OUT:-1000}; ENGINE=${ENGINE:-vllm}; REQUESTS=${REQUESTS:-256}
fi
# More threads would spin beside other processes on the same cores. Where it is set, `nproc` prints no more than that: give CORES as a number.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
LR=${LR:-1.5e-3}
SEED=${SEED:-0}
ACCUMULATE=${ACCUMULATE:-1}      # raise it when memory runs out
GPUS=${GPUS:-1}
TOKENIZER=${TOKENIZER:-}         # folder of one that was made before; empty: one is trained on TOKENIZER_TASKS tasks, on one core
CHECK=${CHECK:-4}                # the plan of one training task in so many is run; it takes more time than all else
AUDIT=${AUDIT:-100}              # one demonstration in so many is audited for leaks
LIMIT=${LIMIT:-570}              # seconds of a step
MODEL=${MODEL:-$OUT/planner-12m-seed$SEED}
mkdir -p "$WORK" "$OUT"
run() { local t=$SECONDS; echo "\$ $*"; timeout "$LIMIT" "$@"; local rc=$?; echo "-- rc $rc, $((SECONDS - t)) s"; return $rc; }

data() {
  run $PY -m orchestra.training.planner.data --out "$WORK/data" --samples "$TASKS" --shard-size "$SHARD" --workers "$CORES" \
    --check-every "$CHECK" --tokenizer-samples "$TOKENIZER_TASKS" ${TOKENIZER:+--tokenizer "$TOKENIZER"} 2> "$WORK/data.log" || { tail -n 3 "$WORK/data.log"; return 1; }
  run $PY -m orchestra.training.planner.data --out "$WORK/validation" --samples "$VALIDATION" --shard-size 1000 --split names \
    --tokenizer "${TOKENIZER:-$WORK/data/tokenizer}" --workers "$CORES" 2>> "$WORK/data.log" || { tail -n 3 "$WORK/data.log"; return 1; }
  run $PY -m orchestra.training.planner.audit "$WORK/data" --workers "$CORES" --every "$AUDIT" > "$WORK/audit.log" 2>&1 \
    && run $PY -m orchestra.training.planner.audit "$WORK/validation" --split names --workers "$CORES" >> "$WORK/audit.log" 2>&1 \
    || { tail -n 3 "$WORK/audit.log"; return 1; }
  cp "$WORK/data/statistics.json" "$OUT/data-statistics.json" 2> /dev/null
  tr '\r' '\n' < "$WORK/data.log" | grep tasks/s | tail -n 2
}
train() {
  local start="$PY -m"
  [ -e "$MODEL/training.json" ] && { echo "$MODEL is trained"; return 0; }
  if [ "$GPUS" -gt 1 ]; then
    start="$PY -m torch.distributed.run --standalone --nproc-per-node $GPUS -m"
    export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0} # NVLink multicast is not to be used on these machines
  fi
  run $start orchestra.training.sft --data "$WORK/data" --validation "$WORK/validation" --out "$MODEL" --hidden "$HIDDEN" --layers "$LAYERS" \
    --intermediate "$INTERMEDIATE" --lr "$LR" --epochs "$EPOCHS" --warmup "$WARMUP" --batch-tokens "$BATCH" --accumulate "$ACCUMULATE" --seed "$SEED" --log-every "$LOG" \
    --save-every "$SAVE" 2>> "$WORK/train-$SEED.log"
  local rc=$?
  tail -n 2 "$WORK/train-$SEED.log"
  return $rc
}
evaluate() {
  run $PY -m orchestra.training.self_training --model "$MODEL" --split names combinations deeper wider --problems "$HELD_OUT" --shard-size "$HELD_OUT" \
    --temperature 0 --engine "$ENGINE" --requests "$REQUESTS" --out "$OUT/held-out-seed$SEED" > "$WORK/eval-$SEED.log" 2>&1 || { tail -n 5 "$WORK/eval-$SEED.log"; return 1; }
  $PY - "$OUT/held-out-seed$SEED/summary.json" << 'SUMMARY'
import json, math, sys
for split, count in json.load(open(sys.argv[1])).items():
    tries = count["tries"] - count["errors"]
    share = count["correct"] / tries
    error = math.sqrt(share * (1 - share) / tries)
    print(f"{split:14} {100 * share:5.1f} ± {100 * error:.1f} % right, {100 * count['verified'] / tries:5.1f} % and without a wasted call, of {tries}")
SUMMARY
}

case $STEP in
  data) data ;;
  train) train ;;
  eval) evaluate ;;
  all) data && train && evaluate ;;
  *) echo "data, train, eval or all, got $STEP"; exit 2 ;;
esac
