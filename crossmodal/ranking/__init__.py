"""Ranked lists joined and judged: pure functions, which know no store and no model."""
