"""Section G of the scorecard: strangers."""
