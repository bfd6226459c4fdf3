"""The report of a load run: JSON for programs, one HTML file with its charts as inline SVG for people."""

import io
import json
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl

mpl.use("svg")
import itertools

import matplotlib.pyplot as plt
from chaos import Chaos
from checks import Counted
from sampler import Sampler
from watch import STAGES

from bitsage.nodes.audit import Verdict

mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "bitsage"
#: Points of a curve in the report; more say nothing more and make it large.
POINTS = 150
PERCENTILES = (50, 90, 99)


@dataclass(slots=True)
class Report:
    """Everything that a run found out."""

    load: Any
    counted: Counted
    verdict: Verdict
    checks: dict[str, tuple[bool, str]]
    sampler: Sampler
    chaos: Chaos
    began: float
    took: float
    audit_s: float
    words: list[str]


def latencies(stages: dict[bytes, dict[str, int]]) -> dict[str, dict[str, float]]:
    """Percentiles of the time from stage to stage and over all, in seconds, of the jobs that were paid."""
    found: dict[str, dict[str, float]] = {}
    spans = [*itertools.pairwise(STAGES), (STAGES[0], STAGES[-1])]
    for first, last in spans:
        times = sorted(
            max(0, job[last] - job[first]) / 1000
            for job in stages.values()
            if first in job and last in job and "paid" in job
        )
        if times:
            ranks = {f"p{p}": round(times[min(len(times) - 1, len(times) * p // 100)], 3) for p in PERCENTILES}
            found[f"{first} to {last}"] = ranks | {"mean": round(statistics.fmean(times), 3)}
    return found


def document(r: Report) -> dict[str, Any]:
    """The report as data; amounts of time in seconds, of memory in MiB."""
    c, load = r.counted, r.load
    jobs = max(1, sum(c.jobs_ended.values()))
    return {
        "machine": "2 cores of an x86-64 server" if platform.machine() == "x86_64" else platform.machine(),
        "python": platform.python_version(),
        "options": r.words,
        "holds": all(holds for holds, _ in r.checks.values()),
        "checks": {name: {"holds": holds, "figures": figures} for name, (holds, figures) in r.checks.items()},
        "seconds": round(r.took, 1),
        "jobs_per_s": round(jobs / r.took, 2),
        "events_per_s": round(sum(n for t, n in c.records.items() if t != "commands") / r.took, 1),
        "latency_s": latencies(load.watch.stages),
        "jobs": c.jobs_ended,
        "reassigned": dict(load.watch.reassigned),
        "commands": c.commands,
        "acknowledged_to_clients_and_workers": c.acknowledged,
        "events": c.events,
        "dead_letters": c.dead_letters,
        "events_lost": len(c.lost) + len(c.unanswered),
        "double_answers": len(c.answered_twice),
        "double_payments": len(c.paid_twice),
        "supply_conserved": r.verdict.counts.get("supply conserved") == 1,
        "commands_per_job": round(c.commands / jobs, 1),
        "events_per_job": round(c.events / jobs, 1),
        "bytes_by_topic": c.bytes,
        "records_by_topic": c.records,
        "bytes_per_job": round(sum(c.bytes.values()) / jobs),
        "consumer_lag_max": max((n for _, n in r.sampler.lag), default=0),
        "processes": {
            name: {"cpu_s": round(u.cpu_s, 1), "rss_mib": round(u.rss_mib, 1)}
            for name, u in sorted(r.sampler.usage.items())
        },
        "chaos": [blow | {"at": round(float(str(blow["at"])) - r.began, 1)} for blow in r.chaos.done],
        "audit": {
            "seconds": round(r.audit_s, 1),
            "counts": r.verdict.counts,
            "contradictions": len(r.verdict.findings),
        },
        "state_hashes": r.verdict.state_hashes,
    }


def _thin(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    step = max(1, len(points) // POINTS)
    chosen = points[::step]
    return [round(x, 1) for x, _ in chosen], [round(y, 1) for _, y in chosen]


def _svg(draw: Any, title: str, ylabel: str, xlabel: str = "seconds") -> str:
    figure, axes = plt.subplots(figsize=(7.5, 2.8))
    draw(axes)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(xlabel, fontsize=8)
    axes.set_ylabel(ylabel, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    text = io.StringIO()
    figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def charts(r: Report) -> list[str]:
    """The charts as SVG."""
    began = r.began

    def marks(axes: Any) -> None:
        for blow in r.chaos.done:
            axes.axvline(float(str(blow["at"])) - began, color="tab:red", linewidth=0.8, linestyle=":")

    def over(axes: Any) -> None:
        axes.plot(*_thin([(t - began, n) for t, n, _ in r.load.watch.pace if t >= began]))
        marks(axes)

    def lag(axes: Any) -> None:
        axes.plot(*_thin([(t - began, n) for t, n in r.sampler.lag]))
        marks(axes)

    def cpu(axes: Any) -> None:
        groups: dict[str, dict[int, float]] = {}
        for name, usage in r.sampler.usage.items():
            series = groups.setdefault(name.rsplit("-", 1)[0], {})
            for t, percent in usage.series:
                series[int(t - began)] = series.get(int(t - began), 0.0) + percent
        for name, series in sorted(groups.items()):
            axes.plot(*_thin(sorted((float(t), p) for t, p in series.items())), label=name, linewidth=0.9)
        axes.legend(fontsize=7, frameon=False)
        marks(axes)

    def stages(axes: Any) -> None:
        times = latencies(r.load.watch.stages)
        names = [name for name in times if name != f"{STAGES[0]} to {STAGES[-1]}"]
        for n, p in enumerate(PERCENTILES):
            axes.barh(
                [i + 0.26 * (n - 1) for i in range(len(names))], [times[k][f"p{p}"] for k in names], 0.24, label=f"p{p}"
            )
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.invert_yaxis()
        axes.legend(fontsize=7, frameon=False)

    return [
        _svg(over, "jobs over and paid (red: a process was killed or paused)", "jobs"),
        _svg(stages, "time in each stage", "", "seconds"),
        _svg(lag, "consumer lag: commands not decided yet", "records"),
        _svg(cpu, "CPU by kind of process, percent of one core", "percent"),
    ]


def write(r: Report, path: Path) -> None:
    """Write PATH.json and PATH.html."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = document(r)
    path.with_suffix(".json").write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = environment.get_template("report.html.j2").render(r=data, charts=charts(r))
    path.with_suffix(".html").write_text("\n".join(line.rstrip() for line in page.splitlines()) + "\n")
