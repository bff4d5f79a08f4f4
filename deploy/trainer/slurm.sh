#!/bin/bash
#SBATCH --job-name=gristmill-1032547698badcfe
#SBATCH --dependency=singleton
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --partition=gpu
#SBATCH --account=corpus
#SBATCH --time=2-00:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@300
#SBATCH --open-mode=append
#SBATCH --output="/shared/work/train-0123456789abcdef/runs/fedcba9876543210.slurm-%j.log"
#SBATCH --exclusive
#SBATCH --cpus-per-task=64
set -euo pipefail
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 CUBLAS_WORKSPACE_CONFIG=:4096:8 TORCH_ELASTIC_SHUTDOWN_TIMEOUT=300
# If NCCL or gloo choose a network that the nodes do not share, set it in train.launch.setup, for example:
#   export NCCL_SOCKET_IFNAME=ib0 GLOO_SOCKET_IFNAME=ib0 NCCL_IB_HCA=mlx5
source /shared/venv/bin/activate
hosts=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
port=$((20000 + SLURM_JOB_ID % 10000)) # derived from the job id, since jobs may share a host

# The first task hosts the rendezvous; without is_host torchrun would guess it from host names.
srun --kill-on-bad-exit=1 bash -c \
  'exec python -m torch.distributed.run --rdzv-conf=is_host=$((SLURM_PROCID == 0)),read_timeout=1800,join_timeout=1800 "$@"' \
  torchrun --nnodes=2 --nproc-per-node=8 --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="${hosts[0]}:$port" \
  -m gristmill.training --section /shared/work/train-0123456789abcdef/runs/1032547698badcfe.section.json --shards /shared/work/mix-0123456789abcdef --out /shared/work/train-0123456789abcdef/runs/fedcba9876543210
