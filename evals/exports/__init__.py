"""Runs for other tools: Perfetto, OpenTelemetry, inspect, tables; and single problems as pages."""
