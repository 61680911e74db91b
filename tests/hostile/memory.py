"""Peak memory of a process, as the kernel counts it."""

from pathlib import Path

CAN_RESET = Path("/proc/self/clear_refs").exists()


def reset_peak(pid: int | str = "self") -> None:
    """Forget the peak so far (Linux: `man 5 proc`, clear_refs 5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mb(pid: int | str = "self") -> float:
    """Most resident memory since the last reset; 0 for a process that is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return float(status.split("VmHWM:")[1].split()[0]) / 1024 if "VmHWM:" in status else 0.0
