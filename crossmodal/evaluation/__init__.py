"""Figures that cannot flatter: pure functions over similarities and ranks."""
