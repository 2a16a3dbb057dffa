"""Captions kept and found again."""
