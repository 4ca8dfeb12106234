"""Plans: what is to be done, what it waits for, and whether it can be run."""
