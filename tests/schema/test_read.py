"""Files of tables: read as they are written, or refused with the remedy."""

import gzip

import pytest

from eqstat import InputError, schema

SITES = "latitude,longitude,vs30_m_s\n41.9,12.5,600\n41.8,12.6,500\n"


def read(text, **options):
    return schema.read_table(text.encode(), **options)


@pytest.mark.parametrize(
    "text",
    [
        SITES.replace("00\n", "00,\n"),
        SITES.replace("00\n", "00,,\n"),
        SITES.replace("\n", ",\n"),
        SITES.replace("600\n", "600,\n"),
    ],
    ids=["one comma", "two commas", "in the header too", "some rows only"],
)
def test_rows_that_end_with_a_comma_do_not_shift_the_columns(text):
    table = read(text)
    assert table["latitude"].tolist() == [41.9, 41.8]
    assert table["longitude"].tolist() == [12.5, 12.6]
    assert list(table.columns) == ["latitude", "longitude", "vs30_m_s"]
    assert "left out" in table.attrs["notes"][0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SITES.replace("600", "600,soft"), "row 2 has 4 fields and the header 3; put texts"),
        (SITES.replace(",500", ""), "row 3 has 2 fields and the header 3; was the file cut short"),
        ("site,latitude\nRome, Italy,41.9\n", "row 2 has 3 fields"),
        ("latitude longitude vs30_m_s\n41.9 12.5 600\n", "separate them by commas"),
        ("", "it is empty"),
        ("\n \n", "it is empty"),
    ],
)
def test_ragged_files_are_refused(text, words):
    with pytest.raises(InputError, match="sites: ") as caught:
        read(text, name="sites")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
    ],
    ids=["mark", "UTF-16", "Unicode text of Excel", "Windows", "old Mac"],
)
def test_encodings_and_line_ends(encode):
    table = schema.read_table(encode(SITES))
    assert list(table.columns) == ["latitude", "longitude", "vs30_m_s"]
    assert table["longitude"].tolist() == [12.5, 12.6]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\x00\x00", "Excel workbook"),
        (gzip.compress(SITES.encode(), mtime=0), "compressed"),
        (b'[{"latitude": 41.9, "longitude": 12.5}]', "JSON"),
        ("site,latitude\nM\xe1laga,36.7\n".encode("latin-1"), "byte 15.; save it as CSV in UTF-8"),
        (("sep=,\n" + SITES).encode(), "is row 1 the header"),
        (("Our sites\n" + SITES).encode(), "is row 1 the header"),
        (("# made on a Monday\n" + SITES).encode(), "remove lines above the header"),
    ],
)
def test_files_that_are_no_table_are_refused_with_the_remedy(content, words):
    with pytest.raises(InputError, match=words):
        schema.read_table(content)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_delimiters(mark):
    table = read(SITES.replace(",", mark))
    assert table["longitude"].tolist() == [12.5, 12.6]


def test_a_decimal_comma_is_refused_with_the_remedy():
    table = read("latitude;longitude\n41,9;12,5\n41,8;12,6\n")
    contract = schema.Contract("sites", (schema.Column("latitude", "latitude", True),))
    with pytest.raises(InputError, match="with a decimal point"):
        schema.check(table, contract)


def test_labels_stay_as_they_are_written():
    table = read("device,latitude,site\n007,1,NA\nNA,2,0010\n7,3,\n")
    assert table["device"].tolist() == ["007", "NA", "7"]
    assert table["site"].tolist()[:2] == ["NA", "0010"]
    assert table["site"].isna().tolist() == [False, False, True]
    renamed = read("Phone,latitude\n007,1\n", columns={"device": "Phone"})
    assert renamed["device"].tolist() == ["007"]
    preset = read("id,timestamp,type\n007,2027-01-15T08:00:00Z,P\n", columns="gamma")
    assert preset["device"].tolist() == ["007"]


def test_numbers_that_are_missing_are_missing():
    table = read("latitude,vs30_m_s\n1,NA\n2,\n3,null\n")
    assert table["vs30_m_s"].isna().all()


def test_doubled_columns_reach_the_contract():
    text = "time,latitude,latitude,longitude\n1.8e9,1,2,3\n"
    with pytest.raises(InputError, match="2 columns are called 'latitude'"):
        schema.check_triggers(read(text))


def test_headers_with_blanks_marks_and_names_of_several_words():
    table = read("\ufeff #Network | Station | Start Date\nNZ|007|2010-01-01T00:00:00Z\n")
    assert list(table.columns) == ["Network", "Station", "Start Date"]
    named = read("Phone id ,latitude\n1,2\n", columns={"device": "Phone id"})
    assert list(named.columns) == ["device", "latitude"]


def test_rows_are_counted_as_in_the_file():
    table = read('device,latitude\n"a\nb",1\n\nc,2\n,\n')
    assert table.index.tolist() == [2, 5]
    assert "1 empty rows were left out" in table.attrs["notes"][0]


def test_an_open_quotation_mark_and_other_encodings_are_refused():
    with pytest.raises(InputError, match="UTF-8"):
        schema.read_table("device\nSão\n".encode("latin-1"))
    with pytest.raises(InputError):
        read('device,latitude\n"a,1\nb,2\n')


def test_files_and_parquet(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text(SITES)
    assert len(schema.read_table(path)) == 2
    with pytest.raises(InputError, match="there is no file"):
        schema.read_table(tmp_path / "none.csv")
    pytest.importorskip("pyarrow")
    schema.read_table(path).to_parquet(tmp_path / "sites.parquet")
    assert schema.read_table(tmp_path / "sites.parquet")["latitude"].tolist() == [41.9, 41.8]
