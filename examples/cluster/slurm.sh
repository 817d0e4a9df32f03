#!/bin/bash
# A search on whole nodes of a Slurm cluster: Ray's head on the first node, one worker on each of the others, the search
# beside the head. Change the #SBATCH lines and the last command, then:  sbatch examples/cluster/slurm.sh
# The same file again goes on where it was; after the time limit Slurm puts the job back into the queue by itself.
#SBATCH --job-name=tune_ks
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --mem=128G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@600
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=tune_ks-%j.log

set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
source .venv/bin/activate

# every task is one node of Ray; GPUs and CPUs are Slurm's share of it, not the machine's
cpus=${SLURM_CPUS_PER_TASK:-1}
gpus=${SLURM_GPUS_ON_NODE:-0}
port=${RAY_PORT:-$((20000 + SLURM_JOB_ID % 20000))} # two jobs on one node must not meet
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(getent ahostsv4 "$head" | awk '{print $1; exit}'):$port
export OMP_NUM_THREADS=1 RAY_worker_niceness=0
export RAY_AUTH_MODE=token # whoever knows the token can run code here; the nodes read it in the shared home
(umask 077 && ray get-auth-token --generate > /dev/null)
export TUNE_KS_SCRATCH=${TMPDIR:-/tmp}/tune_ks-$SLURM_JOB_ID
forget() { # what nodes fetched are images of patients
    srun --overlap --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 rm -rf "$TUNE_KS_SCRATCH" || true
}
trap forget EXIT

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --node-ip-address="${address%:*}" --port="$port" --num-cpus="$cpus" --num-gpus="$gpus" --block &
until (exec 3<>"/dev/tcp/${address/://}") 2>/dev/null; do sleep 1; done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    others=$((SLURM_JOB_NUM_NODES - 1))
    srun --nodes="$others" --ntasks="$others" --exclude="$head" \
        ray start --address="$address" --num-cpus="$cpus" --num-gpus="$gpus" --block &
fi
python - "$address" "$SLURM_JOB_NUM_NODES" <<'PYTHON' # the search counts its slots once: wait for every node
import sys, time, ray
ray.init(address=sys.argv[1], logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(1)
PYTHON

# Slurm signals this shell (B:), which passes it on to the search alone: Ray must outlive it to save and report
python run_search.py --address "$address" --data /shared/duke --space paper --run /shared/runs/paper \
    --cache /shared/cache --gpus-per-trial 0.25 &
search=$!
requeue() {
    kill -TERM "$search"
    wait "$search" || true
    forget
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
trap requeue TERM
wait "$search"
