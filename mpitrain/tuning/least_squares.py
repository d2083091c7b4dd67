"""Least squares without negative numbers.

Lawson and Hanson, Solving least squares problems, 1974, chapter 23
"""

import numpy as np


def nonnegative(matrix: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The x of no negative numbers for which |matrix x - wanted| is least."""
    size = np.sqrt((matrix**2).sum(axis=0))
    scale = np.where(size > 0, size, 1)
    columns = matrix / scale
    products, target = columns.T @ columns, columns.T @ wanted
    found, free = np.zeros(len(target)), np.zeros(len(target), bool)
    for _ in range(10 * len(target)):
        gain = np.where(free, -np.inf, target - products @ found)
        best = int(np.argmax(gain))
        if gain[best] <= 1e-10 * np.abs(target).max():
            break
        free[best] = True
        found = _within(products, target, found, free)
        free &= found > 0
    return found / scale


def _within(products: np.ndarray, target: np.ndarray, found: np.ndarray, free: np.ndarray) -> np.ndarray:
    """From `found` to the solution in which only `free` numbers differ from 0, or as far as none gets negative; then
    on without those that got 0."""
    free = free.copy()
    while True:
        chosen = np.flatnonzero(free)
        solution = np.zeros(len(target))
        solution[chosen] = np.linalg.lstsq(products[np.ix_(chosen, chosen)], target[chosen], rcond=None)[0]
        negative = free & (solution <= 0)
        if not negative.any():
            return solution
        ratios = found[negative] / (found[negative] - solution[negative])
        found = np.maximum(found + ratios.min() * (solution - found), 0)
        found[np.flatnonzero(negative)[ratios == ratios.min()]] = 0
        free &= found > 0
        if not free.any():
            return found
