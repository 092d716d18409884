import math

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from observatory.contract.prometheus import NotExposition, Parser
from observatory.model import Sample


def official(text: str) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    return {
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if math.isfinite(sample.value)
    }


def mine(parser: Parser, text: str) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    return {(s.name, s.labels, s.value) for s in parser.parse(text).samples}


def a_real_exposition() -> str:
    registry = CollectorRegistry()
    requests = Counter("requests", "All of them", ["path", "odd"], registry=registry)
    for path in (
        "/",
        '/a "quoted" path',
        "back\\slash\\n",
        "line\nbreak",
        "{braces}",
        "comma,equals=x",
        "ünïcode 🧵",
        "",
    ):
        requests.labels(path, "a b # c").inc(3)
    Gauge("temperature", 'In "degrees" \\ C', registry=registry).set(-3.25e-7)
    for name, value in (("nothing", math.nan), ("endless", math.inf), ("depth", -math.inf), ("large", 1.7e300)):
        Gauge(name, "", registry=registry).set(value)
    histogram = Histogram("latency_seconds", "", ["le_like"], registry=registry)
    for value in (0.001, 0.2, 7, 99):
        histogram.labels("x").observe(value)
    Summary("size_bytes", "", registry=registry).observe(12)
    return generate_latest(registry).decode()


def test_it_reads_what_the_official_parser_reads_the_first_time_and_every_other() -> None:
    text, parser = a_real_exposition(), Parser()

    assert mine(parser, text) == official(text)
    assert mine(parser, text) == official(text)  # now by what it remembers
    assert parser.heads


def test_kinds_are_told() -> None:
    kinds = Parser().parse(a_real_exposition()).kinds
    assert (kinds["requests_total"], kinds["temperature"], kinds["latency_seconds"]) == (
        "counter",
        "gauge",
        "histogram",
    )


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("up 1", Sample("up", 1)),
        ("up\t1", Sample("up", 1)),
        ("  up   1  ", Sample("up", 1)),
        ("up{} 1", Sample("up", 1)),
        ('up{a="1",} 2', Sample("up", 2, (("a", "1"),))),
        ('up { b = "2" , a = "1" } 3', Sample("up", 3, (("a", "1"), ("b", "2")))),
        ('up{a="}"}4', Sample("up", 4, (("a", "}"),))),
        ("up 1 1756797300000", Sample("up", 1, (), 1_756_797_300_000)),
        ("up 1 1756797300.5", Sample("up", 1, (), 1_756_797_300_500)),
        ('hits_bucket{le="1"} 8 # {trace_id="x"} 0.6', Sample("hits_bucket", 8, (("le", "1"),))),
        ('{"my.metric","my.label"="x"} 5', Sample("my.metric", 5, (("my.label", "x"),))),
        ("up 1\r", Sample("up", 1)),
    ],
)
def test_every_form_of_a_line_is_read_twice_alike(line: str, sample: Sample) -> None:
    parser = Parser()
    for _ in range(2):
        assert parser.parse(f"\n# a comment\n{line}\n\n# EOF\n").samples == (sample,)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "Inf"])
def test_what_is_no_finite_number_is_left_out_and_the_rest_kept(value: str) -> None:
    assert Parser().parse(f"a 1\nb {value}\nc 2\n").samples == (Sample("a", 1), Sample("c", 2))


@pytest.mark.parametrize(
    "line",
    ["<!doctype html>", '{"status": "ok"}', "up", "up one", "up{a=1} 1", 'up{a="1} 1', 'up{a="1"', 'up{a="1"b="2"} 1',
     'up{a="1",a="2"} 1', "7up 1", "up 1 soon", "hello wide world", '{a="1"} 1', "up 1 2 3"],
)  # fmt: skip
def test_a_line_that_is_none_is_named(line: str) -> None:
    parser = Parser()
    parser.parse("up 1\n")  # what it remembers must not make it lenient

    with pytest.raises(NotExposition) as caught:
        parser.parse(f"up 1\n{line}\nup 1\n")

    assert caught.value.line == line


def test_series_that_come_and_go_do_not_fill_the_memory() -> None:
    parser = Parser()
    for turn in range(20):
        parser.parse("\n".join(f'a{{n="{turn}-{i}"}} 1' for i in range(200)))
    assert len(parser.heads) < 2_000


def test_the_fast_path_does_the_work_of_a_second_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    text, parser = "\n".join(f'series_total{{n="{i}",path="/a b"}} {i}.5' for i in range(1000)), Parser()
    first = parser.parse(text)
    monkeypatch.setattr(Parser, "learn", None)  # the slow path would raise now

    assert parser.parse(text) == first
