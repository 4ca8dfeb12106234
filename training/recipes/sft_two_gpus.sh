#!/usr/bin/env bash
# The same fine-tuning with one and with two processes: tokens a second of each, and how far their losses are apart. Needs orchestra with the extra train.
#   bash sft_two_gpus.sh           two GPUs of one host, through NCCL
#   TINY=1 bash sft_two_gpus.sh    two processes on a CPU, through gloo: under a minute
# Two H200 of one host, nothing beside: 3.06M tokens/s with one, 5.89M with two, 1.93 times, in 97 s. The losses were 0.0003 apart at the first report and 0.06 at the
# worst, after 100 steps at a high learning rate (evals/recorded/nested-h200/two-gpus.txt); on CPUs, in fp32, they are the same.
# All sizes are variables. $W/two-gpus.json has the result. One process takes each batch in as many parts as the processes together, so all compute
# with tensors of one shape, and their losses begin to differ by the order of sums alone.
set -u
PY=${PY:-python3}
W=${W:-${OUT:-.}/sft_two_gpus}
PROCESSES=${PROCESSES:-2}
mkdir -p "$W"
export TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=${HF_HUB_OFFLINE:-1}
if [ "${TINY:-0}" = 1 ]; then
  DEMOS=${DEMOS:-60}; SHARD=${SHARD:-60}; CORES=${CORES:-1}; BATCH=${BATCH:-4096}; STEPS=${STEPS:-8}; LOG=${LOG:-2}
  SHAPE=${SHAPE:---hidden 64 --layers 1}; LIMIT_S=${LIMIT_S:-120}; export CUDA_VISIBLE_DEVICES=
else
  # With this shape one H200 took 3.1M tokens a second, once it had begun (44 s to the 50th step on a busy host): TORCH_COMPILE_DISABLE=1 begins at once.
  DEMOS=${DEMOS:-20000}; SHARD=${SHARD:-1000}; CORES=${CORES:-16}; BATCH=${BATCH:-131072}; STEPS=${STEPS:-200}; LOG=${LOG:-20}
  SHAPE=${SHAPE:---hidden 256 --layers 8}; LIMIT_S=${LIMIT_S:-200}
fi
DATA=${DATA:-$W/data} # packed rows; those that are there are taken
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0} # NVLink multicast is not allowed on every host, and two GPUs gain nothing by it

if ! ls "$DATA"/*.npz > /dev/null 2>&1; then
  $PY -m orchestra.training.countdown_demos --problems "$DEMOS" --shard-size "$SHARD" --workers "$CORES" --out "$DATA" 2> "$W/data.log" \
    || { echo "-- data failed: $(tail -n 1 "$W/data.log")"; exit 1; }
  echo "-- data: $SECONDS s"
fi

sft() { # PROCESSES PARTS: trains to $W/PROCESSES, anew
  local t=$SECONDS launch=() rc
  rm -rf "${W:?}/$1"
  # The loopback: the name of a host need not resolve on it.
  [ "$1" = 1 ] || launch=(torch.distributed.run --standalone --local-addr 127.0.0.1 --nproc-per-node "$1" -m)
  timeout -k 10 "$LIMIT_S" $PY -m "${launch[@]}" orchestra.training.sft --data "$DATA" --out "$W/$1" --accumulate "$2" --batch-tokens "$BATCH" $SHAPE \
    --steps "$STEPS" --log-every "$LOG" --warmup 10 --save-every 1000000 2> "$W/$1.log"
  rc=$?
  echo "-- $1 processes: rc $rc, $((SECONDS - t)) s"
  [ "$rc" = 0 ] || { tail -n 25 "$W/$1.log"; exit 1; }
}
sft 1 "$PROCESSES"
sft "$PROCESSES" 1

$PY - "$W" "$PROCESSES" <<'PYTHON'
import json, statistics, sys
from pathlib import Path

folder, many = Path(sys.argv[1]), int(sys.argv[2])

def run(processes):
    lines = [json.loads(line) for line in (folder / str(processes) / "metrics.jsonl").read_text().splitlines()]
    facts = json.loads((folder / str(processes) / "training.json").read_text())
    points = [(line["tokens"], line["seconds"]) for line in lines]
    speeds = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in zip(points, points[1:])]
    warm = speeds[len(speeds) // 3 :]  # compilation is before the first point, clocks and caches settle after it
    return {
        "processes": processes,
        "device": facts["device"],
        "tokens_a_second": {"median": round(statistics.median(warm)), "least": round(min(warm)), "most": round(max(warm)), "windows": len(warm)},
        "first_window_seconds": lines[0]["seconds"],
        "losses": [line["loss"] for line in lines],
    }, facts

(one, facts), (several, _) = run(1), run(many)
apart = [abs(a - b) for a, b in zip(one["losses"], several["losses"], strict=True)]
found = {
    "torch": facts["torch"],
    "parameters": facts["parameters"],
    "batch_tokens": facts["arguments"]["batch_tokens"],
    "steps": facts["step"],
    "runs": [one, several],
    "speedup": round(several["tokens_a_second"]["median"] / one["tokens_a_second"]["median"], 3),
    "largest_difference_of_losses": round(max(apart), 6),
}
(folder / "two-gpus.json").write_text(json.dumps(found, indent=1) + "\n")
for run in found["runs"]:
    print(run["processes"], run["device"], run["tokens_a_second"], "losses", run["losses"][0], "...", run["losses"][-1])
print("speed-up", found["speedup"], "largest difference of losses", found["largest_difference_of_losses"])
PYTHON
rc=$?
echo "done in $SECONDS s"
exit $rc
