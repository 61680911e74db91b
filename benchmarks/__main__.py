"""`make bench`: runs every benchmark that needs no other data, one after the other."""

import subprocess
import sys

ALL = (
    "first_start",
    "demo_recall",
    "add_cost",
    "search_overhead",
    "search_while_writing",
    "decode_speed",
    "ingest",
    "kill_rounds",
    "index_kills",
    "live_switch",
    "shell_start",
    "api_throughput",
    "api_while_writing",
    "api_kill_rounds",
)


def main() -> None:
    """Run the benchmarks; a failing one is reported, and the others still run."""
    for name in ALL:
        print(f"\n== {name} ==", flush=True)
        ended = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        if ended:
            print(f"{name} ended with {ended}")


if __name__ == "__main__":
    main()
