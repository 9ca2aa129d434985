"""The file of a network: reading it, and what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqstat._core.errors import InputError

if TYPE_CHECKING:
    from eqstat.cli._inputs import Inputs
    from eqstat.ground_motion.network.multistation import MultistationEnsemble


def network_of(name: str, inputs: Inputs) -> MultistationEnsemble:
    """Read a network whose input are reports."""
    from eqstat import ground_motion
    from eqstat.ground_motion.network.multistation import MultistationEnsemble

    network = ground_motion.load(inputs.file(name, "network"))
    if not isinstance(network, MultistationEnsemble):
        raise InputError(
            f"network: {name!r} holds no multistation network but a ground-motion model, which "
            "`eqstat exceed --model` takes"
        )
    return network


def refuse_other_inputs(network: MultistationEnsemble) -> None:
    """Refuse a network that needs more than reports."""
    settings = network.settings
    if settings.channels != 1 or settings.scaled:
        raise InputError("network: it takes waveforms, not reports; use it from Python")
    if settings.base:
        raise InputError(
            "network: it corrects the forecast of another rule, which the shell does not make; use "
            "eqstat.exceedance.alerts.MultistationRule"
        )


def about(network: MultistationEnsemble) -> list[tuple[str, str]]:
    """Lines of the model card."""
    card = network.card
    rows = [
        ("Network", str(card.get("what", "multistation network"))),
        (
            "Parameters",
            f"{card.get('parameters', 0):,} in each of {card.get('members', 1)} members",
        ),
        ("Trained on", trained_on(card)),
        ("Stations", f"{network.settings.stations:,} with embeddings or numbers of their own"),
    ]
    if "times_s" in card:
        rows.append(("Times", f"{seconds(card['times_s'])} s after the first report"))
    if card.get("floor_m_s2"):
        rows.append(("Floor", f"silent stations shook less than {card['floor_m_s2']:g} m/s2"))
    if "judged" in card:
        rows.append(("Judged", judged(card["judged"])))
    rows.append(("Training", str(card.get("training", ""))))
    return rows


def trained_on(card: dict[str, Any]) -> str:
    """Events of the training and their dates."""
    text = f"{card.get('events', 0):,} events, {card.get('views', 0):,} views"
    return f"{text}, {card['from']} to {card['to']}" if "from" in card else text


def judged(scores: dict[str, Any]) -> str:
    """Scores on events that the training did not see."""
    name = "CRPS" if scores["score"] == "crps" else "Brier score"
    low, high = scores["skill_interval"]
    return (
        f"{scores['events']:,} later events: {name} {scores['value']:.3g}, of a climatology "
        f"{scores['climatology']:.3g}; skill {scores['skill']:.2f} (90 %: {low:.2f} to {high:.2f})"
    )


def seconds(times: list[float]) -> str:
    """Times in a row.

    >>> seconds([2.0, 5.0])
    '2, 5'
    """
    return ", ".join(f"{time:g}" for time in times)
