"""One self-contained HTML page of runs: summary, frontiers, comparison, every try with its thread timeline."""

from .page import KEPT_LIMIT, report_page, write_report_page

__all__ = ["KEPT_LIMIT", "report_page", "write_report_page"]
