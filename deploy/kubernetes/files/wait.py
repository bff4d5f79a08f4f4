"""``python wait.py PROFILE WORKERS``: wait until the profile's cluster is up and has free places for so many workers.

A cluster that is being started is no fault of the recipe, so that this waits where `gristmill run` would refuse.
"""

import sys
import time

from gristmill.errors import InputError
from gristmill.runners import checks
from gristmill.runners.profile import Flink, Spark, load_profile

SECONDS = 5.0
PATIENCE = 1800.0


def look(profile: Flink | Spark, workers: int) -> None:
    """Raises InputError, with what is missing, where the cluster is not ready."""
    if isinstance(profile, Flink):
        slots = checks.flink_slots(profile.master, profile.version)
    else:
        slots = checks.spark_slots(profile.ui)
    checks.check_slots(slots, workers, f"the cluster at {profile.master}")


def main() -> int:
    profile, workers = load_profile(sys.argv[1]), int(sys.argv[2])
    until, said = time.monotonic() + PATIENCE, ""
    while True:
        try:
            look(profile, workers)
        except InputError as error:
            if str(error) != said:
                said = str(error)
                print(said, flush=True)
        else:
            return 0
        if time.monotonic() > until:
            return 1
        time.sleep(SECONDS)


if __name__ == "__main__":
    sys.exit(main())
