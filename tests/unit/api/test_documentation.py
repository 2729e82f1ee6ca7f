import pytest

from services.api.entrypoints.documentation import prefers_html


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json;q=0.5, text/html",
        "text/*, */*;q=0.1",
    ],
)
def test_a_browser_gets_a_page(accept: str) -> None:
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/json, text/html",
        "text/html;q=0.5, application/json",
        "text/html;q=much",
        "",
        "image/png",
    ],
)
def test_a_program_gets_json(accept: str) -> None:
    assert not prefers_html(accept)
