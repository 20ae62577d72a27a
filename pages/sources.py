"""Sources: what does the console get its knowledge from, does it answer, and what does it lack?"""

from collectors import registry
from ui import context
from ui.panel import panel
from ui.parts import heading, nothing_configured
from ui.source_banner import source_banner
from views.sources.panels import clock_warning, reports
from views.sources.view import load_reports

heading("Sources", "What does the console get its knowledge from, does it answer, and what does it lack?")

visit = context.current()
if visit.configured is None:
    nothing_configured()
else:
    sources = registry.sources(visit.settings, visit.environment)
    clock_warning(visit.records)
    source_banner(tuple)  # the table says what does not answer
    panel(
        "reports",
        lambda span: load_reports(sources),
        reports,
        height=420,
        border=False,
        of_now=True,
    )
