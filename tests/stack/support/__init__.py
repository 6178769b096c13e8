"""What the suites beside this package share."""
