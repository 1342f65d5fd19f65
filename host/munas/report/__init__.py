"""The report of a run: one page that needs nothing else, neither munas nor a network."""

from munas.report.page import write_report

__all__ = ["write_report"]
