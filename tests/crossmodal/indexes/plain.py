"""What an index must answer, written as plainly as can be."""

import numpy as np
import numpy.typing as npt


def plain_search(rows: dict[int, npt.NDArray[np.float32]], query: npt.NDArray[np.float32], top_k: int) -> list[tuple[int, float]]:
    """Cosines in double precision, to nine decimals, best first, equal ones by id."""
    wide = query.astype(np.float64)
    wide /= np.sqrt((wide**2).sum())
    # The index sees the query's direction in float32.
    wide = wide.astype(np.float32).astype(np.float64)
    scored = []
    for item_id, row in rows.items():
        cosine = 0.0
        other = row.astype(np.float64)
        for a, b in zip(wide.tolist(), other.tolist(), strict=True):
            cosine += a * b
        cosine /= np.sqrt((wide**2).sum() * (other**2).sum())
        scored.append((item_id, max(-1.0, min(1.0, round(cosine, 9)))))
    return sorted(scored, key=lambda hit: (-hit[1], hit[0]))[:top_k]
