#!/usr/bin/env bash
# Asynchronous GRPO of the fork policy with TRL, 9 minutes at most. Needs orchestra with the extras vllm and train. On one H200, beside other programs: 85 s until
# the engine is up, then 12 steps in 37 s, 150 s in all (evals/recorded/nested-h200/async.jsonl). With SERVER=1 on two H200 (22 November 2026, vLLM 0.25.1,
# --enforce-eager, models/countdown-6m-nested, --beam 0 --child-beam 0 --join first) the server was up after 108 s, beside another program; new weights took 0.1 to
# 0.9 s through NCCL; six steps came within 73 s, four of them from the first two rounds, 64 trees at once, which took 37 s (140 requests a second, up to 4,900 at
# once), the next two 22 s; 212 s in all (evals/recorded/third-stage-h200/async-server.jsonl). Sampling is the bound, not learning: 0.2 to 0.5 s a step after the first.
#   async_grpo.sh               one GPU: vLLM in the trainer's process
#   SERVER=1 async_grpo.sh      two GPUs: a vLLM server on GPU 1, which gets new weights through NCCL, and the trainer on GPU 0
#   TINY=1 async_grpo.sh        the first on a CPU in a minute or two
# All sizes are variables. A second call with the same variables goes on from the last checkpoint (more STEPS prolong the run). Lines that begin with
# seconds in brackets say what the trainer does or waits for; the engine's start is 60 to 115 s of them.
#   STEPS=5 EVERY=0 TRAIN_S=150 async_grpo.sh     the way to the first steps, with no evaluation
set -u
PY=${PY:-python3}
W=${W:-${OUT:-.}/async_grpo}
MODEL=${MODEL:-models/countdown-6m}
mkdir -p "$W"
# Nothing is fetched: without a network the attempts would be waited for. (MORE="--attention flash3" does: HF_HUB_OFFLINE=0.)
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1} VLLM_NO_USAGE_STATS=1
if [ "${TINY:-0}" = 1 ]; then
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
  STEPS=${STEPS:-2}; GROUP=${GROUP:-2}; PROBLEMS=${PROBLEMS:-1}; AHEAD=${AHEAD:-1}; BUDGET=${BUDGET:-512}; ACCUMULATE=${ACCUMULATE:-1}
  WINDOW=${WINDOW:-96}; EVAL=${EVAL:-2}; EVERY=${EVERY:-2}; SAVE=${SAVE:-2}; FIRST_EVAL=${FIRST_EVAL:-0}; ENGINE=${ENGINE:-transformers}; TRAIN_S=${TRAIN_S:-240}
else
  # A step of 4 x 8,192 packed tokens, two to four groups of eight trees, so that the first comes soon (it waits for one pass more than it takes), and
  # rounds of four groups, two at a time, so that no row is older than it may be. ACCUMULATE=16 PROBLEMS=16 learns from as much at once as grpo.sh.
  STEPS=${STEPS:-100}; GROUP=${GROUP:-8}; PROBLEMS=${PROBLEMS:-4}; AHEAD=${AHEAD:-2}; BUDGET=${BUDGET:-8192}; ACCUMULATE=${ACCUMULATE:-4}
  WINDOW=${WINDOW:-160}; EVAL=${EVAL:-200}; EVERY=${EVERY:-25}; SAVE=${SAVE:-25}; FIRST_EVAL=${FIRST_EVAL:-1}; ENGINE=${ENGINE:-vllm}; TRAIN_S=${TRAIN_S:-420}
fi
# More threads would spin beside other processes on the same cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
TEMPERATURE=${TEMPERATURE:-2}; LR=${LR:-1e-4}; SEED=${SEED:-0}; BASELINE=${BASELINE:-centred}; METHOD=${METHOD:-fork}
REWARD=${REWARD:-correct - work(price=0.0001)}
MORE=${MORE:-}
where=(--engine "$ENGINE")
[ "$FIRST_EVAL" = 1 ] || where+=(--no-first-eval)
[ "${TINY:-0}" = 1 ] || export CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES:-0} # the trainer takes one GPU, and refuses to choose

server=
if [ "${SERVER:-0}" = 1 ]; then
  export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0} # NVLink multicast is not allowed on every host, and two GPUs gain nothing by it
  PORT=${PORT:-8000}; START_S=${START_S:-150}
  # Tokens of a request that the server sends at a time. The price: up to 15 sampled tokens of a cancelled request are not seen, so neither trained on nor
  # counted as work (the ledger bounds them as `unobserved`). STREAM_INTERVAL=1 loses none that had arrived.
  STREAM_INTERVAL=${STREAM_INTERVAL:-16}
  # Every open request holds a file descriptor in either process, and a round has thousands.
  ulimit -Sn "$(ulimit -Hn)"
  # A temperature other than 1 needs processed log-probabilities. The longest thread decides the context. SERVER_MORE=--enforce-eager starts sooner and
  # decodes slower.
  CUDA_VISIBLE_DEVICES=${SERVER_GPU:-1} VLLM_SERVER_DEV_MODE=1 timeout -k 10 $((START_S + TRAIN_S + 60)) \
    $PY -m vllm.entrypoints.openai.api_server --model "$MODEL" --served-model-name policy --host 127.0.0.1 --port "$PORT" --dtype bfloat16 \
    --max-model-len "$WINDOW" --gpu-memory-utilization 0.6 --stream-interval "$STREAM_INTERVAL" \
    --disable-uvicorn-access-log --enable-prompt-tokens-details --logprobs-mode processed_logprobs \
    --weight-transfer-config '{"backend":"nccl"}' ${SERVER_MORE:-} > "$W/server.log" 2>&1 &
  server=$!
  trap 'kill "$server" 2> /dev/null; wait "$server" 2> /dev/null' EXIT
  timeout "$START_S" $PY - "http://127.0.0.1:$PORT/health" "$W/server.log" <<'PYTHON' &
import itertools, sys, time, urllib.request
for tries in itertools.count(1):
    if tries % 10 == 0:
        said = open(sys.argv[2], errors="replace").read().split("\n")
        print(f"-- server: not up after {tries} s, its log ends with: {next((line for line in reversed(said) if line.strip()), '')[-200:]}", flush=True)
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5)
        break
    except OSError:
        time.sleep(1)
PYTHON
  up=$!
  # Whichever ends first: the server when it cannot start, or the wait for it.
  wait -n "$server" "$up" || { tail -n 20 "$W/server.log"; kill "$up" 2> /dev/null; exit 1; }
  echo "-- server: up after $SECONDS s"
  export CUDA_VISIBLE_DEVICES=${TRAINER_GPU:-0}
  where+=(--server "http://127.0.0.1:$PORT")
fi

t=$SECONDS
# --foreground: the signal goes to the trainer alone, which finishes its step and saves; vLLM's processes must live until then.
timeout --foreground -s INT -k 45 "$TRAIN_S" $PY -m orchestra.training.async_grpo --model "$MODEL" --out "$W/$METHOD" --method "$METHOD" \
  "${where[@]}" --reward="$REWARD" --baseline "$BASELINE" --window "$WINDOW" --temperature "$TEMPERATURE" --group "$GROUP" \
  --problems-per-round "$PROBLEMS" --ahead "$AHEAD" --token-budget "$BUDGET" --accumulate "$ACCUMULATE" --steps "$STEPS" --lr "$LR" --seed "$SEED" \
  --eval-every "$EVERY" --eval-problems "$EVAL" --save-every "$SAVE" $MORE 2> >(tee "$W/$METHOD.log" | grep --line-buffered '^\[ *[0-9]* s\]')
rc=$?
echo "-- $METHOD: rc $rc, $((SECONDS - t)) s"
[ "$rc" = 0 ] || { tail -n 25 "$W/$METHOD.log"; [ -z "$server" ] || tail -n 15 "$W/server.log"; }
[ -e "$W/$METHOD/metrics.jsonl" ] || exit 1
grep evaluation "$W/$METHOD/metrics.jsonl"
$PY - "$W/$METHOD/metrics.jsonl" <<'PYTHON'
import json, sys
rows = [row for row in map(json.loads, open(sys.argv[1])) if "loss" in row]
keys = "reward accuracy work span children silent_share staleness dropped_stale sampler_kl ratio clip_share grad_norm packing_ratio".split()
keys += "wait_seconds learn_seconds sync_seconds".split()
if not rows:
    sys.exit("no step was taken: give it more seconds (TRAIN_S)")
for row in rows[:3] + rows[3:][-3:]:
    print(row["step"], {key: round(row[key], 6) for key in keys if key in row})
seconds = rows[-1]["seconds"]
print("trained tokens/s", round(sum(r["trained_tokens"] for r in rows) / seconds),
      "sampled tokens/s", round(sum(r.get("sampled_tokens", 0) for r in rows) / seconds), "with evaluations")
PYTHON
rm -rf "$W/$METHOD/sampler"
echo "done in $SECONDS s"
exit $rc
