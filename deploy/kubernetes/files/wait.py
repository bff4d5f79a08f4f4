"""``python wait.py PROFILE WORKERS``: waits until the profile's cluster is up and has WORKERS free slots.

`gristmill run` would fail at once, but a cluster that is still starting is not an error.
"""

import sys
import time

from gristmill.errors import InputError
from gristmill.runners.cluster_slots import check_slots
from gristmill.runners.profile_table import load_profile
from gristmill.runners.profiles.job_server_profile import JobServerProfile

POLL_SECONDS = 5.0
TIMEOUT_SECONDS = 1800.0


def check_cluster(profile: JobServerProfile, workers: int) -> None:
    """Raises InputError, with what is missing, if the cluster is not ready."""
    check_slots(profile.read_slots(), workers, f"the cluster at {profile.master}")


def main() -> int:
    profile, workers = load_profile(sys.argv[1]), int(sys.argv[2])
    deadline, printed = time.monotonic() + TIMEOUT_SECONDS, ""
    while True:
        try:
            check_cluster(profile, workers)
        except InputError as error:
            if str(error) != printed:
                printed = str(error)
                print(printed, flush=True)
        else:
            return 0
        if time.monotonic() > deadline:
            return 1
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
