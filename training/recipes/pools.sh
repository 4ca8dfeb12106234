#!/usr/bin/env bash
# Countdown pools and the sampling benchmarks on one GPU. Needs orchestra with the extra vllm; then
#   bash pools.sh serial      # 500 x 64 serial traces with scores: SHARDS engine processes at once      ~2-3 min
#   bash pools.sh forklive    # 500 x 64 forked traces (SHARDS processes) and beside them sampling_live  ~4-5 min
#   bash pools.sh overhead    # alone on the machine                                                    ~2-3 min
#   bash pools.sh all
# Every step may be run again: shards go on from what they have. Results in $OUT (a few MiB), shards and logs in $WORK.
# `TINY=1 bash pools.sh serial` is the same on a CPU in seconds; the other steps take a minute each there.
set -u
STEP=${1:-all}
PY=${PY:-python3}
if [ "${TINY:-0}" = 1 ]; then
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  ENGINE=${ENGINE:-transformers}; SHARDS=${SHARDS:-1}; GPU_MEMORY=""; PROBLEMS=${PROBLEMS:-4}; TRACES=${TRACES:-8}; REQUESTS=${REQUESTS:-32}
  LIVE_PROBLEMS=${LIVE_PROBLEMS:-2}; LIVE_REPEATS=${LIVE_REPEATS:-1}; LIVE_N=${LIVE_N:-2}; RESAMPLES=${RESAMPLES:-5}; LIVE_TRACES=${LIVE_TRACES:-8}
  ROUNDS=${ROUNDS:-1}; ABORT_ROUNDS=${ABORT_ROUNDS:-1}
fi
ENGINE=${ENGINE:-vllm}
MODEL=${MODEL:-models/countdown-6m}
WORK=${WORK:-$HOME/pools}
OUT=${OUT:-$WORK/out}
SHARDS=${SHARDS:-8}              # engine processes; each is bound by one core of Python plus one of its engine
GPU_MEMORY=${GPU_MEMORY-0.06}    # share of the GPU's memory of each; "" for the CPU
PROBLEMS=${PROBLEMS:-500}
TRACES=${TRACES:-64}
AT_ONCE=${AT_ONCE:-8}            # problems at once in a process
REQUESTS=${REQUESTS:-512}
FORK_BEAM=${FORK_BEAM:-10}       # 24 is the default of the model's set-up, with 1.6 times the tokens
FORK_TOP=${FORK_TOP:-0}          # 20 for scores of forked traces, too: a third of the speed
LIVE_PROBLEMS=${LIVE_PROBLEMS:-100}
LIVE_REPEATS=${LIVE_REPEATS:-2}
LIVE_N=${LIVE_N:-8}
RESAMPLES=${RESAMPLES:-100}
LIVE_TRACES=${LIVE_TRACES:-256}  # of the overhead benchmark
ROUNDS=${ROUNDS:-10}
ABORT_ROUNDS=${ABORT_ROUNDS:-20}
LIMIT=${LIMIT:-420}              # seconds of a step
mkdir -p "$WORK" "$OUT"

memory() { [ -n "$GPU_MEMORY" ] && echo "--gpu-memory $GPU_MEMORY"; }

# A process that starts while another returns GPU memory may fail in vLLM's memory profiling: up to three tries, each goes on from the last.
shard() { # NAME INDEX OPTIONS…
  local name=$1 index=$2; shift 2
  for attempt in 1 2 3; do
    timeout "$LIMIT" $PY -m orchestra.evals.pools --engine "$ENGINE" --model "$MODEL" $(memory) \
      --out "$WORK/$name-$index.jsonl.gz" --shard "$index/$SHARDS" --problems "$PROBLEMS" --traces "$TRACES" \
      --at-once "$AT_ONCE" --requests "$REQUESTS" "$@" >> "$WORK/$name-$index.log" 2>&1 && return 0
  done
  echo "$name-$index failed: $(tail -n 1 "$WORK/$name-$index.log")"; return 1
}

pool() { # NAME OPTIONS…
  local name=$1 began=$SECONDS; shift
  local pids=()
  for index in $(seq 0 $((SHARDS - 1))); do shard "$name" "$index" "$@" & pids+=($!); done
  wait "${pids[@]}"
  $PY -m orchestra.evals.pools --out "$OUT/countdown-$name.jsonl.gz" --merge $(seq -f "$WORK/$name-%g.jsonl.gz" 0 $((SHARDS - 1))) \
    2>&1 | tee "$OUT/$name.txt"
  echo "$name: $((SECONDS - began)) s" | tee -a "$OUT/$name.txt"
}

serial() { pool serial --method serial --top-logprobs 20 --steps --token-ids; }
fork() { pool fork --method fork --join first --beam "$FORK_BEAM" --top-logprobs "$FORK_TOP"; }
live() {
  timeout "$LIMIT" $PY -m orchestra.evals.benchmarks.sampling_live --engine "$ENGINE" --model "$MODEL" --problems "$LIVE_PROBLEMS" \
    --repeats "$LIVE_REPEATS" --resamples "$RESAMPLES" --n "$LIVE_N" --at-once 32 --pool "$OUT/countdown-serial.jsonl.gz" $(memory) \
    --out "$OUT/sampling-live-gpu.json" > "$OUT/sampling-live.txt" 2>&1 || echo "live failed: $(tail -n 1 "$OUT/sampling-live.txt")"
}
overhead() {
  timeout "$LIMIT" $PY -m orchestra.evals.benchmarks.sampling_overhead --engine "$ENGINE" --model "$MODEL" --traces "$LIVE_TRACES" \
    --rounds "$ROUNDS" --abort-rounds "$ABORT_ROUNDS" --out "$OUT/sampling-overhead-gpu.json" > "$OUT/sampling-overhead.txt" 2>&1 \
    || echo "overhead failed: $(tail -n 1 "$OUT/sampling-overhead.txt")"
}

case $STEP in
  serial) serial ;;
  forklive) live & beside=$!; fork; wait "$beside" ;;
  overhead) overhead ;;
  all) serial; live & beside=$!; fork; wait "$beside"; overhead ;;
  *) echo "serial, forklive, overhead or all, got $STEP"; exit 2 ;;
esac
ls -l "$OUT"
