"""Agents: a planner, a scheduler and a joiner behind one call."""
