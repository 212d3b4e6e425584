"""Reading Parquet and CSV through fsspec: the same contract as databases, and what only files can do wrong."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from nightcast import source
from nightcast.domain.contract import Column, ColumnType, FileFormat, Files, Role
from nightcast.domain.rows import arrow_schema, canonical, content_digest
from nightcast.errors import SettingMissing, SourceMismatch, SourceUnavailable
from source.test_source import AWKWARD, COLUMNS, decimal, plain

# ruff: noqa: DTZ001 -- rows carry wall times without a zone
pytestmark = pytest.mark.unit

DAY, NEXT = date(2024, 5, 1), date(2024, 5, 2)
METER = {
    "meter": Column(type=ColumnType.INTEGER, role=Role.KEY),
    "at": Column(type=ColumnType.TIMESTAMP, role=Role.TIME),
    "kwh": Column(type=ColumnType.INTEGER, role=Role.MEASURE, nullable=True),
}
BY_DAY = Files(path="readings/day={day}/*.parquet")
ALL = Files(path="readings/**/*.parquet")


def write(path: Path, **columns: Sequence[Any] | pa.Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


def readings(place: Path, day: date, rows: int = 3) -> Path:
    hours = [datetime(day.year, day.month, day.day, n) for n in range(rows)]
    return write(place / f"readings/day={day}/a.parquet", meter=[7] * rows, at=hours, kwh=list(range(rows)))


def found(
    url: object, files: Files, first: date = DAY, last: date = DAY, columns: Mapping[str, Column] = METER, size: int = 2
) -> list[dict[str, Any]]:
    batches = source.read_files(str(url), files, first, last + timedelta(days=1), columns, size)
    return pa.Table.from_batches(list(batches), arrow_schema(columns)).to_pylist()


def one(place: Path, values: Any, column: Column, kind: pa.DataType | None = None) -> list[Any]:
    """The values of a column x of a file of its own."""
    array = values if isinstance(values, pa.Array) else pa.array(values, type=kind)
    write(place / "one.parquet", at=pa.array([datetime(2024, 5, 1, 8)] * len(array)), x=array)
    rows = found(place, Files(path="one.parquet"), columns={"at": METER["at"], "x": column})
    return [row["x"] for row in rows]


@pytest.mark.parametrize("files", [BY_DAY, ALL])
def test_the_rows_of_the_window_are_read(tmp_path: Path, files: Files) -> None:
    for day in (DAY - timedelta(days=1), DAY, NEXT, NEXT + timedelta(days=1)):
        readings(tmp_path, day)
    rows = found(tmp_path, files, DAY, NEXT)
    assert [(r["at"].date(), r["kwh"]) for r in rows] == [(day, n) for day in (DAY, NEXT) for n in range(3)]
    assert found(f"file://{tmp_path}/", files, DAY, NEXT) == rows


def test_no_file_is_no_rows_and_no_folder_is_an_error(tmp_path: Path) -> None:
    assert found(tmp_path, BY_DAY) == found(tmp_path, ALL) == []
    with pytest.raises(SourceUnavailable, match="nowhere is not there; expected the folder of its files"):
        found(tmp_path / "nowhere", BY_DAY)


def test_rows_come_exactly_as_from_a_database(tmp_path: Path) -> None:
    """The digest of the rows that the tests of databases compare, from Parquet and from CSV as COPY writes it."""
    rows = [(*r[:4], None if r[4] is None else Decimal(r[4]), *r[5:]) for r in AWKWARD]
    table = pa.table([pa.array(v, t.type) for v, t in zip(zip(*rows, strict=True), arrow_schema(COLUMNS), strict=True)],
                     schema=arrow_schema(COLUMNS)).append_column("secret", pa.array(["s"] * len(rows)))  # fmt: skip
    pq.write_table(table, tmp_path / "line.parquet", row_group_size=3)
    pyarrow.csv.write_csv(table, tmp_path / "line.csv")
    with gzip.open(tmp_path / "line.csv.gz", "wb") as file:
        file.write((tmp_path / "line.csv").read_bytes())
    expected = content_digest(canonical(table, COLUMNS, ["sku"]), COLUMNS)
    for name in ("line.parquet", "line.csv", "line.csv.gz"):
        files = Files(path=name, format=FileFormat(name.split(".")[1]))
        batches = list(source.read_files(str(tmp_path), files, date(2011, 10, 31), date(2011, 11, 1), COLUMNS, 4))
        read = pa.Table.from_batches(batches, arrow_schema(COLUMNS))
        assert content_digest(canonical(read, COLUMNS, ["sku"]), COLUMNS) == expected, name


def test_names_of_folders_are_columns_of_files_that_have_none(tmp_path: Path) -> None:
    columns = {
        "station": Column(type=ColumnType.STRING, role=Role.KEY),
        "meter": METER["meter"],
        "day": Column(type=ColumnType.DATE, role=Role.TIME),
    }
    write(tmp_path / "station=West%20%2F%201/day=2024-05-01/a.parquet", meter=[1])
    write(tmp_path / "station=East/day=2024-05-02/a.parquet", meter=[2], station=["in the file"])
    by_day, whole = Files(path="station=*/day={day}/*"), Files(path="**/*.parquet")
    rows = found(tmp_path, by_day, DAY, NEXT, columns)
    assert rows == [
        {"station": "West / 1", "meter": 1, "day": DAY},
        {"station": "in the file", "meter": 2, "day": NEXT},
    ]
    assert found(tmp_path, whole, NEXT, NEXT, columns) == rows[1:]
    write(tmp_path / "station=East/day=May/a.parquet", meter=[2])
    with pytest.raises(SourceMismatch, match=r"column day: found 'May' \(str\); expected date. Correct .*day=May"):
        found(tmp_path, whole, DAY, NEXT, columns)


def test_what_a_writer_leaves_beside_its_files_is_passed_over(tmp_path: Path) -> None:
    readings(tmp_path, DAY)
    for name in ("_temporary/0/a.parquet", "_SUCCESS.parquet", ".a.parquet.crc.parquet"):
        (tmp_path / "readings" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "readings" / name).write_text("not Parquet")
    assert len(found(tmp_path, ALL)) == 3
    write(tmp_path / "_raw/a.parquet", meter=[1], at=[datetime(2024, 5, 1)], kwh=[2])
    assert len(found(tmp_path, Files(path="_raw/*.parquet"))) == 1  # where it is asked for


@pytest.mark.parametrize("form", ["{day:%Y/%m/%d}", "{day:%Y}/{day:%j}"])
def test_days_may_be_written_in_other_forms(tmp_path: Path, form: str) -> None:
    write(tmp_path / form.format(day=DAY) / "a.parquet", meter=[1], at=[datetime(2024, 5, 1)], kwh=[2])
    assert len(found(tmp_path, Files(path=form + "/*.parquet"), DAY, NEXT)) == 1


def test_a_file_of_a_month_gives_the_days_of_the_window(tmp_path: Path) -> None:
    days = [datetime(2024, 5, n) for n in range(1, 32)]
    write(tmp_path / "2024-05.parquet", meter=[1] * 31, at=days, kwh=list(range(31)))
    rows = found(tmp_path, Files(path="{day:%Y-%m}.parquet"), date(2024, 5, 30), date(2024, 6, 2))
    assert [r["at"].day for r in rows] == [30, 31]


def test_rows_in_the_file_of_another_day_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = readings(tmp_path, DAY)
    path.rename(path.parent.parent / "moved")
    (tmp_path / f"readings/day={NEXT}").mkdir()
    (path.parent.parent / "moved").rename(tmp_path / f"readings/day={NEXT}/a.parquet")
    with pytest.raises(SourceMismatch, match=r"day=2024-05-02/a.parquet holds rows of 2024-05-01; expected only days"):
        found(tmp_path, BY_DAY, NEXT, NEXT)
    assert len(found(tmp_path, ALL)) == 3


def test_a_row_without_a_time_is_kept_for_who_judges_it(tmp_path: Path) -> None:
    write(tmp_path / "readings/a.parquet", meter=[1, 2], at=[None, datetime(2024, 5, 1)], kwh=[2, 3])
    assert [r["at"] for r in found(tmp_path, ALL)] == [None, datetime(2024, 5, 1)]


def test_only_row_groups_of_the_window_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [datetime(2024, 5, 1) + timedelta(hours=6 * n) for n in range(40)]
    asked = []
    reading = pq.ParquetFile.iter_batches

    def noted(self: Any, size: int, groups: list[int], *rest: Any, **more: Any) -> Any:
        asked.append(list(groups))
        return reading(self, size, groups, *rest, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", noted)
    for kind in (pa.timestamp("ns"), pa.timestamp("ms"), pa.string()):
        times = pa.array(days).cast(kind)
        write(tmp_path / "readings/a.parquet", meter=[1] * 40, at=times, kwh=[1] * 40)
        if kind == pa.string():
            times = pa.array([str(day) for day in days])
            write(tmp_path / "readings/a.parquet", meter=[1] * 40, at=times, kwh=[1] * 40)
        assert len(found(tmp_path, ALL, DAY + timedelta(days=2), DAY + timedelta(days=3))) == 8
    assert asked == [[4, 5, 6, 7], [4, 5, 6, 7], list(range(20))]


def test_a_missing_or_doubled_column_is_named_with_its_file(tmp_path: Path) -> None:
    readings(tmp_path, DAY)
    write(tmp_path / f"readings/day={NEXT}/a.parquet", meter=[7], at=[datetime(2024, 5, 2)], kw=[1])
    expected = rf"kwh is not there. The file {tmp_path}/readings/day=2024-05-02/a.parquet delivers meter, at, kw, day; "
    with pytest.raises(SourceMismatch, match=expected + "expected meter, at, kwh. Correct the file or source.columns"):
        found(tmp_path, BY_DAY, DAY, NEXT)
    (tmp_path / "a.csv").write_text("meter,at,kwh,kwh\n1,2024-05-01,2,3\n")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(SourceMismatch, match="kwh is there 2 times"):
        found(tmp_path, Files(path="a.csv", format=FileFormat.CSV))
    with pytest.raises(SourceMismatch, match="delivers no column"):
        found(tmp_path, Files(path="b.csv", format=FileFormat.CSV))


@pytest.mark.parametrize(
    ("values", "kind", "column", "shown"),
    [
        (["abc"], pa.string(), plain(ColumnType.INTEGER), "'abc'"),
        ([1.0, 1.5], pa.float64(), plain(ColumnType.INTEGER), "1.5"),
        ([1.0, float("nan")], pa.float64(), plain(ColumnType.INTEGER), "nan"),
        ([2**63], pa.uint64(), plain(ColumnType.INTEGER), "9223372036854775808"),
        ([Decimal("1.2345")], pa.decimal128(10, 4), decimal(3), r"Decimal\('1.2345'\)"),
        ([Decimal("1234567890123456.5")], pa.decimal128(38, 1), decimal(3), "1234567890123456.5"),
        ([0.1234], pa.float64(), decimal(3), "0.1234"),
        ([10**17], pa.int64(), decimal(3), "100000000000000000"),
        ([2], pa.int8(), plain(ColumnType.BOOLEAN), "2"),
        ([datetime(2024, 5, 1, 3)], pa.timestamp("us"), plain(ColumnType.DATE), "datetime.datetime"),
        ([datetime(2024, 5, 1, 3)], pa.timestamp("us", "UTC"), plain(ColumnType.TIMESTAMP), "tzinfo"),
        ([1714550400_000_000_001], pa.timestamp("ns"), plain(ColumnType.TIMESTAMP), "2024-05-01 08:00:00.000000001"),
        ([b"\xff"], pa.binary(), plain(ColumnType.STRING), r"b'\\xff'"),
        (["a", "b\0c"], pa.string(), plain(ColumnType.STRING), "text with a NUL character"),
        (pa.array([b"a", b"\xc3("]).view(pa.string()), None, plain(ColumnType.STRING), "bytes that are not UTF-8"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    tmp_path: Path, values: list[Any], kind: pa.DataType, column: Column, shown: str
) -> None:
    with pytest.raises(SourceMismatch, match=rf"column x: found .*{shown}.*; expected {column.type}") as caught:
        one(tmp_path, values, column, kind)
    assert f"Correct {tmp_path}/one.parquet, or declare it otherwise" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "kind", "column", "expected"),
    [
        (["a", None], pa.large_string(), plain(ColumnType.STRING), ["a", None]),
        ([12], pa.int16(), plain(ColumnType.STRING), ["12"]),
        ([1.0, None], pa.float64(), plain(ColumnType.INTEGER), [1, None]),
        ([2**63 - 1], pa.uint64(), plain(ColumnType.INTEGER), [2**63 - 1]),
        (["12"], pa.string(), plain(ColumnType.INTEGER), [12]),
        ([0.1, 1e3, None], pa.float64(), decimal(3), [Decimal("0.100"), Decimal("1000.000"), None]),
        ([Decimal("1.5000")], pa.decimal128(38, 4), decimal(3), [Decimal("1.500")]),
        ([10**14], pa.int64(), decimal(3), [Decimal(10**14)]),
        ([0.5], pa.float32(), plain(ColumnType.FLOAT), [0.5]),
        ([7], pa.int32(), plain(ColumnType.FLOAT), [7.0]),
        ([1, 0], pa.int8(), plain(ColumnType.BOOLEAN), [True, False]),
        ([DAY], pa.date32(), plain(ColumnType.TIMESTAMP), [datetime(2024, 5, 1)]),
        ([datetime(2024, 5, 1, 3)], pa.timestamp("ns"), plain(ColumnType.TIMESTAMP), [datetime(2024, 5, 1, 3)]),
        (["2024-05-01"], pa.string(), plain(ColumnType.DATE), [DAY]),
    ],
)
def test_a_value_that_fits_is_taken_from_another_type(
    tmp_path: Path, values: list[Any], kind: pa.DataType, column: Column, expected: list[Any]
) -> None:
    read = one(tmp_path, values, column, kind)
    assert read == expected
    assert list(map(type, read)) == list(map(type, expected))


def test_categories_are_their_values(tmp_path: Path) -> None:
    assert one(tmp_path, pa.array(["a", None, "a"]).dictionary_encode(), plain(ColumnType.STRING)) == ["a", None, "a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2024-05-01 08:00,n,x", r"column kwh: found 'x'; expected integer of 64 bits. Correct .*/a.csv, or declare"),
        ("1,2024-05-01 08:00+02,n,1", "column at: found '2024-05-01 08:00.02'; expected timestamp without time zone"),
        ('"",2024-05-01 08:00,n,1', "column meter: found ''"),
        ("1,2024-05-01 08:00", "cannot be read: .*Expected 4 columns, got 2.*Correct the file"),
    ],
)
def test_csv_is_read_as_strictly_as_copy(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(f"meter,at,note,kwh\n{line}\n")
    files = Files(path="*.csv", format=FileFormat.CSV)
    with pytest.raises(SourceMismatch, match=said):
        found(tmp_path, files)


def test_csv_does_not_round(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("at,x\n2024-05-01,1.25\n")
    files, columns = Files(path="a.csv", format=FileFormat.CSV), {"at": METER["at"], "x": decimal(2)}
    assert found(tmp_path, files, columns=columns)[0]["x"] == Decimal("1.25")
    with pytest.raises(
        SourceMismatch, match="column x: found a value with more digits; expected decimal with at most 1"
    ):
        found(tmp_path, files, columns=columns | {"x": decimal(1)})


def test_a_file_that_is_not_whole_is_transient(tmp_path: Path) -> None:
    """As while it is written: the next look may find it whole."""
    path = readings(tmp_path, DAY)
    whole = path.read_bytes()
    for part in (b"", whole[:-20], b"x" * 100):
        path.write_bytes(part)
        with pytest.raises(SourceUnavailable, match=r"did not give .*day=2024-05-01/a.parquet: ArrowInvalid"):
            found(tmp_path, BY_DAY)
    path.write_bytes(b"PAR1" + b"\0" * (len(whole) // 2 - 4) + whole[len(whole) // 2 :])
    with pytest.raises(SourceUnavailable, match="did not give"):
        found(tmp_path, BY_DAY)


def test_a_path_that_fits_folders_only_is_named(tmp_path: Path) -> None:
    readings(tmp_path, DAY)
    with pytest.raises(SourceMismatch, match=r"readings/day=2024-05-01 fits 1 folders and no file; .*/\*\.parquet"):
        found(tmp_path, Files(path="readings/day={day}"))


def test_a_root_may_have_any_name(tmp_path: Path) -> None:
    place = tmp_path / "what [now] * really?"
    readings(place, DAY)
    assert len(found(place, BY_DAY)) == 3


@pytest.fixture
def bucket() -> Iterator[Callable[[str, bytes], None]]:
    """A file store that is not a disk."""
    memory = fsspec.filesystem("memory")
    yield memory.pipe_file
    memory.rm("/meters", recursive=True)


def test_another_file_store(tmp_path: Path, bucket: Callable[[str, bytes], None]) -> None:
    bucket(f"/meters/2024/readings/day={DAY}/a.parquet", readings(tmp_path, DAY).read_bytes())
    for files in (BY_DAY, ALL):
        assert found("memory://meters/2024", files) == found(tmp_path, files)
    assert found("memory://meters/2024", BY_DAY, NEXT, NEXT) == []
    with pytest.raises(SourceUnavailable, match="memory://meters/2023 is not there"):
        found("memory://meters/2023", BY_DAY)


def test_options_are_given_to_the_file_system_and_never_told(tmp_path: Path) -> None:
    readings(tmp_path, DAY)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(tmp_path / f"readings/day={DAY}/a.parquet", f"readings/day={DAY}/a.parquet")
    (tmp_path / "all.zip").write_bytes(archive.getvalue())
    assert len(found(f"zip://?fo={tmp_path}/all.zip", BY_DAY)) == 3
    for url in (
        "nosuch://bucket?key=hunter2",
        "ftp://reader:hunter2@127.0.0.1:1/x?timeout=1&password=hunter2",
        f'zip://?fo={tmp_path}/hunter2.zip&target_options={{"password":"hunter2"}}',
    ):
        with pytest.raises((SettingMissing, SourceUnavailable)) as caught:
            found(url, BY_DAY)
        assert "hunter2" not in str(caught.value).replace(f"{tmp_path}/hunter2.zip", "")
        assert caught.value.__cause__ is None


def test_the_file_is_closed_when_its_reader_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings(tmp_path, DAY)
    local = type(fsspec.filesystem("file"))
    opened, opening = [], local.open
    monkeypatch.setattr(local, "open", lambda *a, **k: opened.append(opening(*a, **k)) or opened[-1])
    rows = source.read_files(str(tmp_path), BY_DAY, DAY, NEXT, METER, 1)
    next(rows)
    rows.close()  # type: ignore[attr-defined] # the iterator is a generator
    assert [file.closed for file in opened] == [True]
