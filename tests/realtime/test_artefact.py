"""Artefacts: what was written is read; whatever is wrong with a file is one clear line."""

import hashlib
import io
import json
import pickle
import zipfile
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import realtime_inputs as inputs

from eqstat import InputError, edge, realtime
from eqstat.edge import ArtefactError
from eqstat.realtime import Calibration

MEASURED = Calibration((0.8, 0.5, 1.2), (0.04, 0.02, 0.07), "M 5 within 50 km", "simulation")


@pytest.fixture(scope="module")
def content():
    scorer = inputs.coincidence()
    return realtime.to_bytes(type(scorer)(scorer.model, calibration=MEASURED), title="five sensors")


def rebuilt(content, change):
    """The file with its members changed, and signed again."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(dict(members)) or members
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, value in members.items():
            archive.writestr(zipfile.ZipInfo(name), value)
        archive.comment = b"0" * 64
    return edge.signed(stream.getvalue()[:-64])


def with_manifest(content, change):
    """The file with another manifest, and signed again."""

    def own(members):
        manifest = json.loads(members["manifest.json"])
        change(manifest)
        return members | {"manifest.json": json.dumps(manifest).encode()}

    return rebuilt(content, own)


def with_array(content, name, member, **about):
    """The file with another array that its manifest declares."""

    def own(members):
        manifest = json.loads(members["manifest.json"])
        about_it = {"sha256": hashlib.sha256(member).hexdigest()} | about
        manifest["arrays"][name] |= about_it
        return members | {f"{name}.npy": member, "manifest.json": json.dumps(manifest).encode()}

    return rebuilt(content, own)


def refusal(data):
    """The line with which both readers refuse a file."""
    with pytest.raises(ArtefactError) as small:
        edge.load(data)
    with pytest.raises(InputError) as large:
        realtime.load(data)
    assert "\n" not in str(small.value) + str(large.value)
    assert len(str(small.value)) < 250
    return str(small.value)


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(inputs.MAKERS))
def test_what_is_written_is_read(kind, tmp_path):
    scorer, path = inputs.MAKERS[kind](), tmp_path / "scorer.eqstat"
    digest = realtime.export(scorer, path, title="a test")
    assert [p.name for p in tmp_path.iterdir()] == ["scorer.eqstat"]
    assert digest == edge.load(path).artefact.sha256
    again = realtime.load(path, sha256=digest)
    assert realtime.to_bytes(again, title="a test") == path.read_bytes()
    with pytest.raises(InputError, match="its SHA-256 is"):
        realtime.load(path, sha256="0" * 64)
    assert edge.main([str(path)]) == 0


def test_calibration_travels(content, capsys):
    assert str(realtime.load(content).calibration) == str(MEASURED)
    card = edge.read(content).card
    assert card["title"] == "five sensors" and card["versions"]["eqstat"]
    compiled = realtime.compile(realtime.load(content), (8,), progress=False)
    assert "misses 4 % (2 to 7) of M 5 within 50 km" in str(compiled)


def test_a_flipped_byte_is_refused(content):
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 200):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.integers(8)
        with pytest.raises(ArtefactError, match="truncated or changed"):
            edge.read(bytes(changed))
    assert "truncated or changed" in refusal(bytes(changed))


def test_a_truncated_file_is_refused(content):
    for size in (0, 1, 63, 64, 1000, len(content) - 1):
        assert "truncated or changed" in refusal(content[:size])


class Smuggled:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_a_pickle_is_refused(content):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([Smuggled()], object), (1, 0), allow_pickle=True)
    data = with_array(content, "log_miss", stream.getvalue(), dtype="|O", shape=[1])
    assert "is of type '|O', which is not allowed" in refusal(data)
    raw = with_array(content, "log_miss", pickle.dumps(Smuggled()))
    assert "not a valid artefact" in refusal(raw)
    extra = rebuilt(content, lambda members: members | {"data.pkl": pickle.dumps(Smuggled())})
    assert "its members are not those of the manifest" in refusal(extra)


def test_a_huge_array_is_refused(content):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**20, 2**20)}
    np.lib.format.write_array_header_1_0(stream, header)
    data = with_array(
        content, "log_miss", stream.getvalue() + b"0" * 64, dtype="<f8", shape=[2**20, 2**20]
    )
    assert "declares 8796093022208 bytes, 64 follow" in refusal(data)


def test_a_compressed_member_is_refused(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 10**6)
        archive.comment = b"0" * 64
    assert "declares more content" in refusal(edge.signed(stream.getvalue()[:-64]))


def test_a_future_schema_is_refused(content):
    data = with_manifest(content, lambda m: m.update(schema=edge.SCHEMA + 1))
    assert "schema version 2 is not known (1 to 1 are); update eqstat" in refusal(data)


OLD = sorted((Path(__file__).parent / "artefacts").glob("*.eqstat"))


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_files_of_older_versions_keep_loading(path):
    """Written by the version of each schema; never written anew."""
    kind, _, schema = path.stem.partition("-schema-")
    assert edge.load(path).artefact.kind == kind
    assert realtime.load(path).kind == kind
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("manifest.json"))["schema"] == int(schema)


def test_there_is_a_file_of_each_schema_version():
    schemas = {int(path.stem.rpartition("-")[2]) for path in OLD}
    assert schemas == set(range(1, edge.SCHEMA + 1))


def test_another_answer_is_refused(content):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        name = manifest["cases"][0]["expected"]["margin"]
        stream = io.BytesIO()
        array = edge.read(content).cases[0][1].margin.copy()
        array[3] += 1
        np.lib.format.write_array(stream, array, (1, 0))
        manifest["arrays"][name]["sha256"] = hashlib.sha256(stream.getvalue()).hexdigest()
        return members | {
            f"{name}.npy": stream.getvalue(),
            "manifest.json": json.dumps(manifest).encode(),
        }

    assert "test vector 0: margin is" in refusal(rebuilt(content, change))


def test_an_unknown_kind_is_refused(content):
    data = with_manifest(content, lambda m: m.update(kind="oracle"))
    assert "no scorer of kind 'oracle' here" in refusal(data)


def test_a_missing_file_is_one_line(tmp_path, capsys):
    assert edge.main([str(tmp_path / "none.eqstat")]) == 2
    assert "cannot be read (No such file or directory)" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot be read"):
        realtime.load(tmp_path / "none.eqstat")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.data())
def test_mutated_files_that_are_signed_are_read_or_refused(content, data):
    """The digest says nothing of who signed: whatever is in the file must not break the reader."""

    def change(members):
        name = data.draw(st.sampled_from(sorted(members)))
        if name == "manifest.json":
            manifest = json.loads(members[name])
            at = manifest
            while isinstance(at, dict) and at and data.draw(st.booleans()):
                key = data.draw(st.sampled_from(sorted(at)))
                if isinstance(at[key], dict):
                    at = at[key]
                else:
                    at[key] = data.draw(JSON)
                    break
            else:
                if isinstance(at, dict):
                    at[data.draw(st.text(max_size=5))] = data.draw(JSON)
            return members | {name: json.dumps(manifest).encode()}
        member = bytearray(members[name])
        for _ in range(data.draw(st.integers(1, 4))):
            member[data.draw(st.integers(0, len(member) - 1))] = data.draw(st.integers(0, 255))
        return members | {name: bytes(member)}

    try:
        artefact = edge.load(rebuilt(content, change)).artefact
        assert artefact.kind == "coincidence"
    except ArtefactError as error:
        assert "\n" not in str(error)


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.binary(max_size=400))
def test_any_bytes_are_refused(data):
    for each in (data, edge.signed(data), edge.signed(b"PK\x05\x06" + data)):
        with pytest.raises(ArtefactError):
            edge.read(each)
