"""The scheduler: runs plans on tools and models."""
