from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from guardrail.cli.root import cli
from guardrail.errors import ConfigurationError
from guardrail.people import NameIndex
from guardrail.people.compile import compile_names
from guardrail.people.sources import Source, read_people
from guardrail.text import views
from tests.policy.rules.examining import codes, examine


def entity(label: str, *, human: bool = True, died: str | None = None) -> dict[str, object]:
    def claim(value: object) -> dict[str, object]:
        return {"mainsnak": {"datavalue": {"value": value}}}

    claims = {"P31": [claim({"id": "Q5" if human else "Q42"})], "P106": [claim({"id": "Q177220"})]}
    if died:
        claims["P570"] = [claim({"time": died})]
    return {
        "id": "Q1",
        "labels": {"en": {"value": label}, "ru": {"value": "Зорбла Квинт"}},
        "aliases": {"en": [{"value": "Zorbla the Great"}]},
        "claims": claims,
    }


def test_wikidata_dump_lines(tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    lines = [entity("Zorbla Quint", died="+1999-01-01T00:00:00Z"), entity("A town", human=False)]
    file.write_text("[\n" + ",\n".join(json.dumps(x) for x in lines) + "\n]\n", "utf-8")
    (person,) = read_people(file, Source.WIKIDATA)
    assert (person.name, person.category, person.died) == ("Zorbla Quint", "music", 1999)
    assert person.scripts == ("Зорбла Квинт",)
    assert person.aliases == ("Zorbla the Great",)


def test_wikidata_query_result(tmp_path: Path) -> None:
    file = tmp_path / "query.json"
    rows = [
        {
            "person": {"value": "http://www.wikidata.org/entity/Q1"},
            "personLabel": {"value": "Zorbla Quint"},
            "alias": {"value": alias},
        }
        for alias in ("Zorbla the Great", "Quint Zorbla")
    ]
    file.write_text(json.dumps({"head": {"vars": []}, "results": {"bindings": rows}}), "utf-8")
    (person,) = read_people(file, Source.WIKIDATA)
    assert person.aliases == ("Zorbla the Great", "Quint Zorbla")


def test_opensanctions_lines(tmp_path: Path) -> None:
    file = tmp_path / "targets.json"
    properties = {"name": ["Zorbla Quint"], "country": ["xq"], "position": ["warden of Blom"]}
    records = [
        {"schema": "Person", "properties": properties},
        {"schema": "Company", "properties": {"name": ["Quint Ltd"]}},
    ]
    file.write_text("\n".join(map(json.dumps, records)), "utf-8")
    (person,) = read_people(file, Source.OPENSANCTIONS)
    assert person.roles == ("warden of Blom",)
    assert person.country == "XQ"


def test_faults_are_located(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("who\nZ\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"x\.csv:1: the header has no column 'name'"):
        list(read_people(file, Source.CSV))
    file.write_text('{"schema": "Person"}\n{\n', "utf-8")
    with pytest.raises(ConfigurationError, match=r"x\.csv:2: not JSON"):
        list(read_people(file, Source.OPENSANCTIONS))


def test_an_imported_register_is_used_by_a_policy_that_names_its_version(tmp_path: Path) -> None:
    source, target = tmp_path / "own.csv", tmp_path / "own.names"
    source.write_text("name,aliases\nZorbla Quint,Zorbla the Great\n", "utf-8")
    arguments = ["people", "import", str(source), "--as", "csv", "-o", str(target)]
    result = CliRunner().invoke(cli, [*arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    written = json.loads(result.output)
    register = {"path": str(target), "digest": written["digest"]}
    assert written["people"] == 1
    assert not codes("real_person", "Zorbla Quint on a hill")
    assert codes("real_person", "Zorbla Quint on a hill", registers=[register])
    with pytest.raises(ValueError, match="another version"):
        examine("real_person", "", registers=[{**register, "digest": "0" * 64}])


def test_many_names_open_at_once(tmp_path: Path) -> None:
    file = tmp_path / "many.csv"
    file.write_text("name\n" + "".join(f"Abx{n:x} Quy{n:x}\n" for n in range(5000)), "utf-8")
    path = tmp_path / "many.names"
    path.write_bytes(compile_names(read_people(file, Source.CSV)))
    index = NameIndex.open(path)
    assert len(index) == 5000
    assert [hit.person.name for hit in index.hits(views("x abx7b Quy7b, y"))] == ["Abx7b Quy7b"]


def test_find_command() -> None:
    result = CliRunner().invoke(cli, ["people", "find", "T4ylor Swift at sea"])
    assert result.exit_code == 0
    assert "Taylor Swift (music, living)" in result.output
