#!/bin/bash
@{options}
set -euo pipefail
export @{environment}
# If NCCL or gloo choose a network that the nodes do not share, set it in train.launch.setup, for example:
#   export NCCL_SOCKET_IFNAME=ib0 GLOO_SOCKET_IFNAME=ib0 NCCL_IB_HCA=mlx5
@{setup}
hosts=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
port=$((20000 + SLURM_JOB_ID % 10000)) # derived from the job id, since jobs may share a host

# The first task hosts the rendezvous; without is_host torchrun would guess it from host names.
srun --kill-on-bad-exit=1 bash -c \
  'exec python -m torch.distributed.run --rdzv-conf=is_host=$((SLURM_PROCID == 0)),@{timeouts} "$@"' \
  torchrun @{torchrun} --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="${hosts[0]}:$port" \
  @{trainer}
