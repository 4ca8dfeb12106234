"""How texts are graded; each file is one way, shared by the benchmarks that use it. None of it raises, whatever a model wrote."""
