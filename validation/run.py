"""Run statistical checks and keep what they measure in `validation/results.json`.

Run: python validation/run.py [NAME ...] [--list] [--quick] [--again].

Each check is a module `check_*` whose function `check(**options)` returns a list of records. A run
that is in the results with the same options is not repeated unless --again is given; a check that
was stopped goes on where it ended. --quick uses few data sets (a few minutes for all).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from count_worlds import WORLDS
from records import Record, passed

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PARTIAL = HERE.parent / ".validation"


@dataclass(frozen=True)
class Check:
    """A check with its options; `quick` replaces some of them for a short run."""

    module: str
    options: dict[str, Any] = field(default_factory=dict)
    quick: dict[str, Any] = field(default_factory=dict)
    needs_data: bool = False
    part: str = ""

    @property
    def name(self) -> str:
        """Name on the command line."""
        return f"{self.module}-{self.part}" if self.part else self.module


CHECKS = [
    Check("optimum", {"number": 500}, {"number": 24}),
    Check("calibration", {"number": 500, "agree": 20}, {"number": 40, "agree": 4}),
    *(
        Check(
            "mixture_sbc",
            {"datasets": 300, "method": method, "silent": silent},
            {"datasets": 10},
            part=method + "-silent" * silent,
        )
        for method in ("grid", "nuts")
        for silent in (False, True)
    ),
    # Other data sets than those in which too few regions held the truth.
    Check(
        "mixture_sbc",
        {"datasets": 400, "method": "grid", "silent": True, "first": 600},
        {"datasets": 10},
        part="grid-silent-fresh",
    ),
    *(
        Check("comparison", {"datasets": 300, "world": world}, {"datasets": 20}, part=world)
        for world in ("own", "study")
    ),
    Check("phones", needs_data=True),
    Check("detection_phones", {}, {"runs": 1}, needs_data=True),
    *(
        Check(
            "count_worlds",
            {"histories": 20, "world": world},
            {"histories": 1},
            part=world.replace(" ", "-"),
        )
        for world in WORLDS
    ),
    Check("count_scores", {"regions": 20}, {"regions": 2}),
    Check("counts_scale", {"chunks": 50}, {"chunks": 2}),
    Check("counts_scale", {"nuts": True}, part="nuts"),
    Check("counts_scale", {"nuts": True, "bursts": True}, part="nuts-bursts"),
    Check("false_alarms", {"histories": 200, "bursts": True}, {"histories": 2}),
    Check(
        "false_alarms", {"histories": 100, "bursts": False}, {"histories": 2}, part="without-bursts"
    ),
    *(
        Check(
            "counts_sbc",
            {"datasets": 300, "background": name, "chains": 1 if "bursts" in name else 2},
            {"datasets": 10},
            part=name,
        )
        for family in ("poisson", "negative_binomial", "beta_binomial")
        for name in (family, f"{family}+bursts")
    ),
    Check("exceedance_sbc", {"datasets": 300}, {"datasets": 20}),
    Check("exceedance_sbc", {"datasets": 200, "method": "fit"}, {"datasets": 20}, part="fit"),
    Check("exceedance_odd", {"datasets": 2000}, {"datasets": 40}),
    Check("exceedance_alerts", {"events": 400}, {"events": 30}),
    Check("exceedance_alerts", {"events": 400, "least_lead": 3.0}, {"events": 30}, part="lead"),
    Check(
        "exceedance_ridgecrest",
        {"sampler": "fit", "without": ["network", "network, stations"]},
        {"folds": 2},
        needs_data=True,
    ),
    Check("exceedance_ridgecrest", {"sampler": "fit"}, needs_data=True, part="networks"),
    Check("ground_motion_felt", {"datasets": 100}, {"datasets": 2}),
    Check("ground_motion_felt", {"part": "jma"}, {"step": 20}, needs_data=True, part="jma"),
    *(
        Check(
            "multistation_simulation",
            {"events": 2000, "training": 2000, "stations": stations},
            {
                "events": 24,
                "training": 24,
                "stations": "8",
                "epochs": 2,
                "members": 1,
                "every": 10,
            },
            part=f"{stations}-stations",
        )
        for stations in ("25", "100")
    ),
    Check("magnitude", {"part": "sbc", "number": 300}, {"number": 5}),
    # Other data sets than those in which too few intervals held the truth, and more draws.
    Check(
        "magnitude",
        {"part": "sbc", "number": 300, "kinds": "exact", "draws": 256, "first": 300},
        {"number": 5},
        part="draws",
    ),
    Check("magnitude", {"part": "selection", "number": 40}, {"number": 3}, part="selection"),
    Check("magnitude", {"part": "ridgecrest"}, {"folds": 1}, needs_data=True, part="ridgecrest"),
    Check(
        "magnitude",
        {"part": "ridgecrest", "stations": 8, "folds": 2},
        {"folds": 1},
        needs_data=True,
        part="ridgecrest-few",
    ),
    Check("magnitude", {"part": "openeew"}, needs_data=True, part="openeew"),
    Check("detection_magnitude", {"number": 100}, {"number": 10}),
    Check("detection_magnitude", {"number": 40, "dead": True}, {"number": 4}, part="dead"),
    Check("detection_truth", {"number": 10_000, "located": 1000}, {"number": 200, "located": 20}),
    Check(
        "detection_truth",
        {"number": 400, "located": 400, "faster": 0.06},
        {"number": 200, "located": 20},
        part="faster",
    ),
    *(
        Check("waveform_sbc", {"datasets": number, "kind": kind}, {"datasets": 4}, part=kind)
        for kind, number in (("logistic", 150), ("network", 60))
    ),
    Check(
        "waveform_sbc",
        {"datasets": 150, "kind": "network", "nuts": False},
        {"datasets": 4},
        part="network-laplace",
    ),
    *(
        Check("waveform", {"part": part}, needs_data=True, part=part)
        for part in ("myshake", "openeew", "device", "time", "false", "learned")
    ),
    *(
        Check("waveform_background", {"part": part, "number": number}, {"number": quick}, part=part)
        for part, number, quick in (
            ("sbc", 1000, 100),
            ("worlds", 20, 2),
            ("blocks", 4000, 500),
            ("fleets", 40, 4),
            ("cost", 1, 1),
        )
    ),
    *(
        Check(
            "waveform_crnn",
            {"source": source},
            {"groups": 30, "epochs": 2},
            needs_data=True,
            part=source,
        )
        for source in ("myshake", "openeew")
    ),
    Check("detection_sbc", {"number": 400}, {"number": 20}),
    Check("detection_sbc", {"number": 150, "peaks": True}, {"number": 20}, part="peaks"),
    Check("detection_sbc", {"number": 200, "skewed": True}, {"number": 20}, part="skewed"),
    Check("detection_fronts", {"number": 31}, {"number": 2}),
    Check("detection_fronts", {"number": 37, "rivals": "earlier"}, {"number": 2}, part="earlier"),
    Check("detection_speeds", {"number": 400}, {"number": 30}),
    Check("detection_dead", {"number": 30}, {"number": 2}),
    Check("detection_pairs", {"number": 3}, {"number": 1}),
    Check("detection_alarms", {"part": "guarantee", "number": 40}, {"number": 1}, part="guarantee"),
    Check("detection_alarms", {"part": "causes", "number": 200}, {"number": 10}, part="causes"),
    Check("detection_alarms", {"part": "delay", "number": 100}, {"number": 10}, part="delay"),
    Check(
        "detection_study",
        {"number": 1000, "located": 150, "ratios": "0.015,0.03,0.05,0.1,0.2"},
        {"number": 50, "located": 10, "ratios": "0.1"},
    ),
    Check("detection_ceus", {}, {"windows": 3}, needs_data=True),
    Check("detection_associator", {"number": 40}, {"number": 4}),
    Check("ceus_regional", {"folds": 5}, {"folds": 2}, needs_data=True),
    Check("regional_origin", {"events": 100}, {"events": 10}),
    Check("eqn_thresholds", needs_data=True),
    Check("detectability_eqn", {}, {"number": 20}, needs_data=True),
    Check(
        "detectability_eqn",
        {"part": "learned"},
        {"number": 100},
        needs_data=True,
        part="learned",
    ),
    Check("detectability_day", {}, {"phones": (100,)}),
    Check(
        "multistation", {"epochs": 12}, {"epochs": 1, "events": 40}, needs_data=True, part="scores"
    ),
    *(
        Check(
            "multistation",
            {"epochs": 12, "part": part},
            {"epochs": 1, "events": 40, "part": part},
            needs_data=True,
            part=part,
        )
        for part in ("alarms", "ablations")
    ),
    Check("detectability_warned", {"streams": 100}, {"streams": 20}),
    Check("detectability", {"events": 1000}, {"events": 100}),
    *(
        Check("realtime", {"part": part, "number": number}, {"number": quick}, part=part)
        for part, number, quick in (
            ("agreement", 10_000, 100),
            ("hostile", 100_000, 500),
            ("soak", 1_000_000, 2000),
            ("cost", 20, 2),
            ("speed", 50, 5),
            ("fuzz", 100_000, 500),
            ("classification", 4000, 100),
        )
    ),
    *(
        Check("agent", {"part": part, "number": number}, {"number": quick}, part=part)
        for part, number, quick in (
            ("maxima", 1, 1),
            ("noise", 1, 1),
            ("stomps", 400, 20),
            ("fuzz", 100_000, 1000),
            ("cost", 30, 2),
        )
    ),
    *(
        Check("agent", {"part": part}, needs_data=True, part=part)
        for part in ("records", "earthquakes")
    ),
    Check(
        "service",
        {"phones": 100_000, "triggers_per_s": 200.0, "seconds": 600, "side": 3, "kills": 2},
        {
            "phones": 3000,
            "triggers_per_s": 6.0,
            "seconds": 150,
            "side": 1,
            "kills": 1,
            "earthquake_every_s": 60.0,
            "burst_every_s": 200.0,
        },
    ),
    Check("shards", {"phones": 100_000, "seconds": 60}, {"phones": 5000, "seconds": 10}),
    Check("service", {"part": "fuzz", "number": 100_000}, {"number": 1000}, part="fuzz"),
    Check("detectability_history", {"part": "sbc", "datasets": 300}, {"datasets": 10}),
    Check("detectability_history", {"part": "nuts", "datasets": 100}, {"datasets": 4}, part="nuts"),
    Check("detectability_history", {"part": "california"}, needs_data=True, part="california"),
    Check("detectability_history", {"part": "delays"}, needs_data=True, part="delays"),
]


def read() -> list[dict[str, Any]]:
    """Runs in the results file."""
    if not RESULTS.exists():
        return []
    return json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]


def write(runs: list[dict[str, Any]]) -> None:
    """Replace the results file at once; one record a line, so that changes can be read."""
    blocks = []
    for run in sorted(runs, key=lambda run: (run["check"], not run.get("baseline"), str(run))):
        head = {name: value for name, value in run.items() if name != "records"}
        lines = [f"   {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        records = ",\n".join(
            f"    {json.dumps(item, ensure_ascii=False)}" for item in run["records"]
        )
        lines.append(f'   "records": [\n{records}\n   ]')
        blocks.append("  {\n" + ",\n".join(lines) + "\n  }")
    text = '{\n "runs": [\n' + ",\n".join(blocks) + "\n ]\n}\n"
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(RESULTS)


def finished(name: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs of this check with these options; those of before the restructuring (baseline) last."""
    runs = [run for run in read() if (run["check"], run["options"]) == (name, options)]
    return sorted(runs, key=lambda run: bool(run.get("baseline")))


def commit() -> str:
    """Abbreviated git commit of the code, with a plus where files were changed since."""
    git = ["git", "-C", str(HERE.parent)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "eqstat", "validation/*.py"],
        capture_output=True,
        text=True,
    )
    return (head.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


def machine() -> str:
    """The machine in general words: no name, no path."""
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{cores} cores, {platform.machine()}, Python {python}, JAX {jax.__version__}, CPU"


def run(check: Check, options: dict[str, Any]) -> dict[str, Any]:
    """Run one check."""
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:8]
    PARTIAL.mkdir(exist_ok=True)
    head = commit()
    os.environ["EQSTAT_PARTIAL"] = str(PARTIAL / f"{check.name}-{digest}.jsonl")
    start = time.perf_counter()
    records: list[Record] = importlib.import_module(f"check_{check.module}").check(**options)
    return {
        "check": check.name,
        "options": options,
        "commit": head,
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python validation/run.py {check.name}",
        "machine": machine(),
        "seconds": round(time.perf_counter() - start),
        "records": records,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the checks asked for; 1 if one fails or does not meet a requirement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--quick", action="store_true", help="few data sets")
    parser.add_argument("--again", action="store_true", help="repeat finished runs")
    options = parser.parse_args(arguments)
    known = {check.name: check for check in CHECKS}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no check {', '.join(unknown)}; choose from {', '.join(known)}")
    bad = 0
    for name in options.names or known:
        check = known[name]
        own = check.options | (check.quick if options.quick else {})
        runs = finished(name, own)
        if options.list:
            state = f"done at {runs[0]['commit']}" if runs else "not done"
            print(f"{name:32s} {state:20s} {own}")
            continue
        if runs and not runs[0].get("partial") and not options.again:
            print(f"{name}: done at {runs[0]['commit']}; --again repeats it")
            continue
        if check.needs_data and not os.environ.get("EQSTAT_DATA"):
            print(f"{name}: left out, EQSTAT_DATA is not set")
            continue
        if len(options.names) != 1:
            # A process of its own, so that memory is measured alone and a failure stays alone.
            flags = ["--quick"] * options.quick + ["--again"] * options.again
            bad += subprocess.run([sys.executable, __file__, name, *flags]).returncode != 0
            continue
        print(f"{name} {own}", flush=True)
        if options.again:
            for old in PARTIAL.glob(f"{name}-????????.jsonl"):
                old.unlink()
        result = run(check, own)
        if options.quick:
            result["command"] += " --quick"
        replaced = [one for one in runs if not one.get("baseline")]
        write([*(one for one in read() if one not in replaced), result])
        missed = [item["name"] for item in result["records"] if passed(item) is False]
        bad += bool(missed)
        if missed:
            print(f"{name}: NOT MET: {'; '.join(missed)}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
