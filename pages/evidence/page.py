"""Evidence: each claim of the paper, what our own runs say of it, and how to run them again."""

import html
import time

import streamlit as st

from fbseg_core import ConfigError
from fbseg_core.experiments import EXPERIMENTS, Experiment
from fbseg_core.experiments.report import flat
from fbseg_core.experiments.thresholds import MARGIN
from pages.evidence import figures, links
from pages.evidence.state import EvidenceState, check
from pages.ui import notices, plotly_style, screen, shipped, tables
from pages.ui.shipped import Measured, Shown

SCREEN = screen.Screen("evidence", EvidenceState, {}, check)
PATIENCE = 0.3  # s of work after which a bar tells how far it is: one that comes and goes at once would blink


def take_chart(name: str) -> None:
    """Callback of a card's menu of charts."""
    SCREEN.show(SCREEN.view.with_chart(name, SCREEN.chosen(f"chart-{name}")))


def verdicts() -> dict[str, Measured | None]:
    """What each result says; a bar tells how far that is where it takes a while, as for a server's first
    visitor."""
    found: dict[str, Measured | None] = {}
    place, began = st.empty(), time.monotonic()
    for name in EXPERIMENTS:
        if time.monotonic() - began > PATIENCE:
            share = len(found) / len(EXPERIMENTS)
            place.progress(share, f"Verdicts from the rows: {len(found)} of {len(EXPERIMENTS)}")
        found[name] = shipped.measured(name)
    place.empty()
    return found


def overview(found: dict[str, Measured | None]) -> None:
    """All claims, with the verdict and the answer in one line, to be read without scrolling."""
    rows = []
    for name, measured in found.items():
        experiment = EXPERIMENTS[name]
        over, *_ = experiment.over.split(",")  # the card says the rest
        seeds = f"{measured.seeds} {over}" if measured else "not run yet"
        brief = html.escape(measured.finding.brief if measured else "")
        cells = (
            f'<a href="#{name}">{html.escape(experiment.title)}</a>',
            brief,
            figures.badge(measured.finding if measured else None),
            html.escape(seeds),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{head}</th>" for head in ("claim", "what we found", "verdict on the claim", "over"))
    body = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
    st.html(f'<table class="verdicts evidence">{body}</table>')


def card(name: str, measured: Measured | None) -> None:
    """One claim: the sentence, the verdict and what it rests on, a chart; folded away, all else."""
    experiment = EXPERIMENTS[name]
    with st.container(border=True):
        st.subheader(experiment.title, anchor=name)
        st.markdown(f"> {experiment.claim}\n>\n> — *{experiment.source}*")
        st.html(figures.badge(measured.finding if measured else None))
        if measured is None:
            st.markdown("The full result does not ship. This command makes it:")
            st.code(
                f"python -m fbseg_core experiment {name} --profile full --jobs 2",
                language="bash",
                wrap_lines=True,
            )
            return
        st.markdown(f"**{measured.finding.brief}** {measured.finding.because}")
        shown = shipped.shown(name)
        chart(name, experiment, shown)
        if shown.table:
            st.table(shown.table)
        ways(name)
        if measured.finding.points:
            with st.expander("The other numbers"), st.container(key=f"evidence-points-{name}"):
                st.markdown(figures.listed(measured.finding))
        with st.expander("How to repeat it, and the raw numbers"):
            repeat(name, measured, shown.made)


def chart(name: str, experiment: Experiment, shown: Shown) -> None:
    """One of the card's charts, with its legend, and what its points are."""
    panels = shown.panels
    number = min(SCREEN.view.chart(name), len(panels) - 1)
    panel = panels[number]
    if len(panels) > 1:
        st.selectbox(
            "Chart",
            range(len(panels)),
            format_func=lambda i: panels[i].title,
            key=SCREEN.bind(f"chart-{name}", number, among=len(panels)),
            on_change=take_chart,
            args=(name,),
        )
    else:
        st.markdown(f"**{panel.title}**")
    st.html(figures.legend(panel))
    plotly_style.chart(figures.panel_figure(panel), key=f"evidence-{name}-{number}")
    points = [y for series in panel.series for y in series.y]
    k = max(y.k for y in points)
    images = any(y.over == "seeds and images" for y in points)
    over = f"{experiment.over} and test images" if images else f"{experiment.over} alone"
    st.caption(
        f"Means over {k} {experiment.over}; bars and bands are 95 % intervals over {over}, by bootstrap. "
        f"A line with neither has no interval, or is drawn without it. {shown.corners}"
    )


def ways(name: str) -> None:
    """Links to the settings that show it, each with what is other there than in the card's rows."""
    for way in links.ways(name):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.link_button(way.label, way.address)
            further = "".join(f"- {notices.plain(each)}\n" for each in way.further)
            st.caption(notices.plain(way.told), help=further or None)


def repeat(name: str, measured: Measured, made: str) -> None:
    """The command, what made the result, and the raw numbers."""
    st.code(f"{measured.head['command']} --jobs 2", language="bash", wrap_lines=True)
    st.caption(
        f"{len(measured.rows)} cells, {made}; on {' and '.join(figures.machines(measured.rows))}. "
        "The raw table has this for each cell. Pass another profile, quick or tiny, for a smaller grid."
    )
    with st.container(horizontal=True):
        st.download_button(
            "Raw table (CSV)", lambda: tables.csv(flat(measured.rows)), f"{name}.csv", "text/csv",
            key=f"csv-{name}", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "Result file (JSON lines)", measured.raw, f"{name}-full.jsonl", "application/jsonl",
            key=f"raw-{name}", on_click="ignore",
        )  # fmt: skip


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    title, menu = st.columns([3, 2], vertical_alignment="bottom")
    title.title("Evidence", anchor=False)
    titles = {"": "All claims"} | {name: experiment.title for name, experiment in EXPERIMENTS.items()}
    menu.selectbox(
        "Cards on show", list(titles), format_func=titles.get, key=SCREEN.bind("claim", SCREEN.view.claim),
        on_change=SCREEN.take, args=("claim",),
    )  # fmt: skip
    notices.noted(SCREEN.noted)
    found = verdicts()
    overview(found)
    st.caption(
        "Verdicts are worked out from the result files that ship with the app, by the rule in each "
        "experiment's code. *Explained by*: the effect is there as the paper trains, and gone once what is "
        "named is made equal. *Undecided*: the rows tell neither a difference nor equality. *Measured*: the "
        "paper claims nothing that could be tested. [a, b] is a 95 % interval; F1 is of the foreground, "
        "pooled over fresh images. Differences are paired by seed and taken before rounding. *Different*: "
        "the interval excludes zero, and so does a t test, corrected by Holm's rule for all comparisons of "
        f"its family. *Equal*: two one-sided tests at 5 % tell that less than {MARGIN} F1 lies between "
        "the two. A link opens one seed or one image; the charts are means."
    )
    for name, measured in found.items():
        if SCREEN.view.claim in ("", name):
            card(name, measured)
    SCREEN.write_link()


screen.begin()
try:
    page()
except ConfigError as error:
    notices.refused(error)
