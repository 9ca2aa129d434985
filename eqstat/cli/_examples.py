"""Examples at the end of each command's help."""

EXAMPLES = {
    "locate": (
        "eqstat locate triggers.csv --method grid --posterior location.nc",
        "eqstat locate event.xml --stations stations.xml --velocity iasp91",
        "eqstat locate triggers.csv --likelihood mixture --delay-s 1.2,0.3 --prior prior.toml",
    ),
    "classify": ("eqstat classify triggers.csv --delta-s 1.29 --miss-probability 0.01",),
    "threshold": ("eqstat threshold counts.csv --active 50,500 --save-background background.json",),
    "detect": ("eqstat detect triggers.csv --network phones.csv --background background.json",),
    "exceed": (
        "eqstat exceed --posterior location.nc --sites sites.csv --threshold 5%g,10%g "
        "--magnitude 5.6",
    ),
    "multistation": (
        "eqstat multistation train stations.csv reports.csv --floor-m-s2 0.005 --out network.eqx",
        "eqstat multistation forecast network.eqx --stations stations.csv --reports now.csv "
        "--threshold 5%g,10%g --sites sites.csv --table shaking.csv",
        "eqstat multistation show network.eqx",
    ),
    "detectability": (
        "eqstat detectability phones.csv --at=-12.1,-77.3 --ratio 0.1 --figure curves.png",
    ),
    "calibrate": ("eqstat calibrate detections.csv --score sigma_hat --larger noise --json",),
    "waveform": (
        "eqstat waveform train features.csv --features iqr_m_s2,cav_m_s --group event "
        "--out sensor.eqstat",
        "eqstat waveform score sensor.eqstat new.csv --answers answers.csv",
        "eqstat waveform evaluate features.csv --features iqr_m_s2,cav_m_s --group event",
    ),
    "artefact": (
        "eqstat artefact export counts background.json --out coast.eqstat",
        "eqstat artefact inspect coast.eqstat",
    ),
    "serve": (
        "eqstat serve service.toml --check",
        "eqstat serve service.toml",
    ),
    "shards": ("eqstat shards phones.csv --degrees 1.5 --overlap-km 100 --out national",),
    "explain": ("eqstat explain 20270115T080205Z-lima --journal service.toml",),
    "agent": ("eqstat agent agent.toml",),
    "load": ("eqstat load --host localhost --phones 20000 --triggers-per-s 40",),
    "demo": ("eqstat demo --out demo",),
    "schema": ("eqstat schema locate",),
    "completion": ("eqstat completion bash",),
}
