"""Tools that plans call."""
