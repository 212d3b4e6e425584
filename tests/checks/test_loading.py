"""expectations.yaml: what the library would drop in silence is an error here, with its line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nightcast import checks
from nightcast.domain.verdict import OnFail
from nightcast.errors import SpecError

pytestmark = pytest.mark.unit

GOOD = """\
contract:
  - {id: code, type: expect_column_values_to_match_regex, kwargs: {column: code, regex: '^C?[0-9]{6}$'}, on_fail: stop}
rows:
  - id: price
    type: expect_column_values_to_be_between
    kwargs: {column: price, min_value: 0}
    on_fail: quarantine
    note: bad debt
    when: {cancels: false}
signals:
  - id: volume
    type: expect_table_row_count_to_be_between
    kwargs: {min_value: {$PARAMETER: "round(0.5 * trailing_rows)"}}
    on_fail: warn
predictions: []
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        checks.load(text)
    return caught.value.problems


def edited(old: str, new: str) -> list[str]:
    """The problems after one edit, with the edited line as LINE."""
    assert old in GOOD
    line = GOOD[: GOOD.index(old)].count("\n") + 1
    return [p.replace(f"expectations.yaml:{line}:", "LINE:") for p in problems_of(GOOD.replace(old, new, 1))]


def test_a_good_file_becomes_typed_entries() -> None:
    found = checks.load(GOOD)
    assert [e.id for e in found] == ["code", "price", "volume"]
    (price,) = found.rows
    assert (price.on_fail, price.note, price.when, price.line) == (OnFail.QUARANTINE, "bad debt", {"cancels": False}, 4)
    assert price.kwargs == {"column": "price", "min_value": 0}
    assert found.predictions == ()


CASES = {
    "typo in the type": (
        "expect_column_values_to_be_between",
        "expect_colum_values_to_be_between",
        "LINE: at rows[0].type: found unknown expectation type 'expect_colum_values_to_be_between'; did you mean "
        "'expect_column_values_to_be_between'?",
    ),
    "typo in what a failure does": (
        "on_fail: quarantine",
        "on_fail: quarantin",
        "LINE: at rows[0].on_fail: found unknown value 'quarantin'; did you mean 'quarantine'? "
        "expected quarantine, stop "
        "or warn in section rows",
    ),
    "a severity of the library's": (
        "on_fail: quarantine",
        "severity: critical",
        "LINE: at rows[0].severity: found unknown key 'severity'; expected id, kwargs, note, on_fail, type or when",
    ),
    "unknown argument": (
        "{column: price, min_value: 0}",
        "{column: price, min_val: 0, max_value: 9}",
        "LINE: at rows[0].kwargs.min_val: found unknown argument 'min_val'; did you mean 'min_value'?",
    ),
    "missing argument": (
        "{column: price, min_value: 0}",
        "{min_value: 0}",
        "LINE: at rows[0].kwargs: found no argument column; expected it",
    ),
    "no bound at all": (
        "{column: price, min_value: 0}",
        "{column: price, strict_min: true}",
        "LINE: at rows[0].kwargs: found neither min_value nor max_value; expected at least one, else everything passes",
    ),
    "bounds the wrong way round": (
        "{column: price, min_value: 0}",
        "{column: price, min_value: 5, max_value: 1}",
        "LINE: at rows[0].kwargs.min_value: found 5 above max_value 1; expected at most that",
    ),
    "an id twice": (
        "id: volume",
        "id: price",
        "LINE: at signals[0].id: found 'price' again, first on line 4; expected each id once",
    ),
    "an id of the engine's": (
        "id: volume",
        "id: duplicates",
        "LINE: at signals[0].id: found 'duplicates'; expected another word, the engine has a check of that name",
    ),
    "an id with a dot": (
        "id: volume",
        "id: contract.nulls",
        'LINE: at signals[0].id: found "contract.nulls"; expected a lower-case word of at most 60 letters, digits, _',
    ),
    "unknown section": (
        "signals:",
        "signal:",
        "LINE: at signal: found unknown section 'signal'; did you mean 'signals'?",
    ),
    "a contract that only warns": (
        "regex: '^C?[0-9]{6}$'}, on_fail: stop",
        "regex: '^C?[0-9]{6}$'}, on_fail: warn",
        "LINE: at contract[0].on_fail: found unknown value 'warn'; expected stop in section contract",
    ),
    "a pattern that is none": (
        "'^C?[0-9]{6}$'",
        "'(C'",
        'LINE: at contract[0].kwargs.regex: found "(C", which is not a pattern',
    ),
    "a quarantine with a tolerance": (
        "{column: price, min_value: 0}",
        "{column: price, min_value: 0, mostly: 0.9}",
        "LINE: at rows[0].kwargs.mostly: found mostly; expected none, a quarantine sets aside each row that fails",
    ),
    "a parameter that no night has": (
        "trailing_rows)",
        "trailing_row)",
        "LINE: at signals[0].kwargs.min_value: found unknown parameter 'trailing_row'; did you mean 'trailing_rows'?",
    ),
    "an expression that reaches out": (
        "round(0.5 * trailing_rows)",
        "rows.__class__",
        "LINE: at signals[0].kwargs.min_value: found 'rows.__class__' has attribute; expected "
        "numbers, names, + - * / and",
    ),
    "a condition on a table": (
        "    on_fail: warn\n",
        "    on_fail: warn\n    when: {a: 1}\n",
        "expectations.yaml:15: at signals[0].when: found a condition; expected none, this type judges the whole table",
    ),
    "a key twice": (
        "    note: bad debt\n",
        "    note: bad debt\n    note: worse\n",
        "expectations.yaml:9: at rows[0].note: found again, first on line 8; expected once",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_with_its_line(case: str) -> None:
    old, new, expected = CASES[case]
    assert edited(old, new)[0].startswith(expected)


def test_a_quarantine_needs_a_check_of_single_rows() -> None:
    text = GOOD.replace("predictions: []", "predictions: []").replace(
        "rows:\n",
        "rows:\n  - {id: n, type: expect_table_row_count_to_equal, kwargs: {value: 1}, on_fail: quarantine}\n",
        1,
    )
    assert problems_of(text) == [
        "expectations.yaml:4: at rows[0].on_fail: found quarantine; expected stop or warn, this "
        "type does not judge single rows"
    ]


def test_parameters_belong_to_signals() -> None:
    text = GOOD.replace("min_value: 0}", 'min_value: {$PARAMETER: "rows"}}')
    assert problems_of(text) == [
        "expectations.yaml:6: at rows[0].kwargs.min_value: found unknown parameter 'rows'; "
        "expected none in this section"
    ]


def test_a_missing_section_is_an_error() -> None:
    assert problems_of(GOOD.replace("predictions: []\n", "")) == [
        "expectations.yaml:1: found no section predictions; expected it, with [] where there is nothing to check"
    ]


@pytest.mark.parametrize("text", ["", "contract\n", "- 1\n", "contract: {\n", "contract: []\nrows: 3\n"])
def test_other_texts_are_refused(text: str) -> None:
    assert problems_of(text)[0].startswith("expectations.yaml:")


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("on_fail: warn", "on_fail: shout").replace("regex: '^", "regexp: '^")
    assert [p.split(": ")[1].removeprefix("at ") for p in problems_of(text)] == [
        "contract[0].kwargs.regexp",
        "contract[0].kwargs",
        "signals[0].on_fail",
    ]


def test_the_default_pipeline_loads_and_the_library_takes_every_entry(repository: Path) -> None:
    text = (repository / "include/pipelines/daily_demand/expectations.yaml").read_text()
    checks.verify(checks.load(text))


def test_verify_says_what_the_library_refuses() -> None:
    found = checks.load(GOOD.replace("min_value: 0}", "min_value: [1]}"))
    with pytest.raises(SpecError) as caught:
        checks.verify(found)
    (problem,) = caught.value.problems
    assert problem.startswith("expectations.yaml:4: price: min_value: ")


def test_loading_does_not_import_the_library(repository: Path) -> None:
    code = (
        "import sys, pathlib; from nightcast import checks; checks.load(pathlib.Path(sys.argv[1]).read_text()); "
        "checks.run([], None, {}); print('great_expectations' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(repository / "include/pipelines/daily_demand/expectations.yaml")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(repository / "include")},
    )
    assert done.stdout.strip() == "False"
