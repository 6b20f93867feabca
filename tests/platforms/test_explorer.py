"""The explorer in a real browser: touched, read, heard, and still there without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pytest
import torch
from playwright.sync_api import Browser, Page

from attn_lib import causal
from attn_lib.explorer import Explorer, explore

matplotlib.use("Agg")
TOKENS = "the robot stopped because it broke".split()
WORDS = "den 3. Dezember 1994".split()


def weights(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).mul(2).softmax(-1)


HEADS = weights(3, 2, 4, 6, 6)  # three frames, two layers, four heads
MASK = causal.dense(6)[0, 0]
MASKED = torch.randn(6, 6, generator=torch.Generator().manual_seed(1)).masked_fill(~MASK, -1e9)
VIEWS = {
    "heads": explore(TOKENS, HEADS, frames=[0, 0.5, 4], frame_name="sharpness", title="Heads"),
    "causal": explore(TOKENS, MASKED.softmax(-1), allowed=MASK),
    "cross": explore(["1", "9", "9", "4"], weights(4, 4), keys=WORDS, title="Digits and words"),
    # numbers on every shade where ink and white are about as legible as each other
    "shades": explore(list("abcdefgh"), torch.linspace(0.3, 0.8, 8).diag()),
    "close": explore(list("abcdefgh"), torch.linspace(0.64, 0.72, 8).diag()),
    "long": explore(list("to be, or not to be, that is the question"), weights(41, 41)),
}


@pytest.fixture
def opened(browser: Browser, tmp_path: Path):
    """A function that opens explorers in one page; at the end nothing was asked for or logged."""
    requests: list[str] = []
    said: list[str] = []
    pages: list[Page] = []

    def open_page(*views: Explorer, attributes: str = "", **options) -> Page:
        path = tmp_path / "page.html"
        body = "\n".join(view.html for view in views)
        head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Explorer</title>'
        path.write_text(f"{head}<body {attributes}><main>{body}</main></body></html>", "utf-8")
        page = browser.new_page(**{"viewport": {"width": 1000, "height": 900}, **options})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == len(pages)
    assert said == []


def read(page: Page, side: str) -> dict[str, str]:
    """The numbers of a list, `looks` or `seen`, by token."""
    items = page.locator(f".{side} li:visible").all()
    return {
        item.locator(".name").inner_text(): item.locator(".number").inner_text() for item in items
    }


def shown(table: torch.Tensor, tokens: list[str]) -> dict[str, str]:
    return {token: f"{weight:.2f}" for token, weight in zip(tokens, table.tolist(), strict=True)}


def query(page: Page, token: str):
    return page.get_by_role("rowheader", name=f"query {token}", exact=True)


def test_a_touched_token_shows_where_it_looks_and_who_looks_at_it(opened) -> None:
    page = opened(VIEWS["heads"])
    query(page, "it").click()
    assert read(page, "looks") == shown(HEADS[0, 0, 0, 4], TOKENS)
    assert read(page, "seen") == shown(HEADS[0, 0, 0, :, 4], TOKENS)
    best = int(HEADS[0, 0, 0, 4].argmax())
    number = f"{HEADS[0, 0, 0, 4, best]:.2f}"
    assert page.locator(".readout").inner_text().split() == ["it", "→", TOKENS[best], number]
    page.get_by_role("columnheader", name="key broke").click()
    assert read(page, "seen") == shown(HEADS[0, 0, 0, :, 5], TOKENS)


def test_hovering_shows_and_leaving_brings_back(opened) -> None:
    page = opened(VIEWS["heads"])
    before = read(page, "looks")
    page.get_by_role("gridcell", name=re.compile("^stopped looks at it: ")).hover()
    assert read(page, "looks") == shown(HEADS[0, 0, 0, 2], TOKENS)
    assert read(page, "seen") == shown(HEADS[0, 0, 0, :, 4], TOKENS)
    page.mouse.move(900, 880)
    assert read(page, "looks") == before


def test_layer_head_and_slider_are_chosen_and_read(opened) -> None:
    page = opened(VIEWS["heads"])
    query(page, "broke").click()
    page.get_by_role("combobox", name="Layer").select_option("1")
    page.get_by_role("combobox", name="Head").select_option("3")
    assert read(page, "looks") == shown(HEADS[0, 1, 3, 5], TOKENS)
    slider = page.get_by_role("slider", name="sharpness")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == page.locator(".value").inner_text() == "4"
    assert read(page, "looks") == shown(HEADS[2, 1, 3, 5], TOKENS)
    cells = page.get_by_role("gridcell").all()
    assert [cell.inner_text() for cell in cells] == [f"{w:.2f}" for w in HEADS[2, 1, 3].flatten()]


def test_the_picture_of_all_heads_chooses_one(opened) -> None:
    page = opened(VIEWS["heads"])
    canvas = page.locator(".heads canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 2.5 / 4, "y": box["height"] * 1.5 / 2})
    assert page.get_by_role("combobox", name="Layer").input_value() == "1"
    assert page.get_by_role("combobox", name="Head").input_value() == "2"
    assert read(page, "looks") == shown(HEADS[0, 1, 2, 0], TOKENS)


def test_the_keyboard_alone_reaches_everything(opened) -> None:
    page = opened(VIEWS["heads"])
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                    const one = document.querySelector('.attn-explorer').shadowRoot.activeElement;
                    const ring = getComputedStyle(one).outlineStyle === 'solid';
                    return [one.ariaLabel || one.parentElement.textContent.slice(0, 4), ring];
                }"""
            )
        )
    assert [name for name, _ in reached] == ["Laye", "Head", "shar", "query the"]
    assert all(ring for _, ring in reached)
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "End"):
        page.keyboard.press(key)
    assert read(page, "looks") == shown(HEADS[0, 0, 0, 2], TOKENS)
    assert read(page, "seen") == shown(HEADS[0, 0, 0, :, 5], TOKENS)
    page.keyboard.press("Tab")  # the map is one stop
    assert page.evaluate("document.activeElement === document.body")


def test_what_a_screen_reader_says(opened) -> None:
    page = opened(VIEWS["heads"])
    query(page, "it").press("ArrowDown")
    status = page.get_by_role("status")
    page.wait_for_function(
        "() => document.querySelector('.attn-explorer').shadowRoot"
        ".querySelector('[role=status]').textContent"
    )
    row, column = HEADS[0, 0, 0, 5], HEADS[0, 0, 0, :, 5]
    first, second = (
        ", ".join(f"{TOKENS[i]} {x[i]:.2f}" for i in x.topk(3).indices) for x in (row, column)
    )
    assert status.inner_text() == (
        f"layer 0, head 0, sharpness 0. broke looks most at {first}. "
        f"broke is looked at most by {second}."
    )


def test_two_sentences_have_two_sides(opened) -> None:
    page, table = opened(VIEWS["cross"]), VIEWS["cross"].weights[0, 0, 0]
    page.get_by_role("rowheader", name="query 9 at 2").click()
    assert read(page, "looks") == shown(torch.tensor(table[2]), WORDS)
    page.get_by_role("columnheader", name="key Dezember").click()
    numbers = page.locator(".seen .number").all_inner_texts()
    assert numbers == [f"{weight:.2f}" for weight in table[:, 2]]
    assert page.locator(".corner").inner_text().split("\n") == ["keys →", "queries ↓"]


def test_hidden_cells_are_named(opened) -> None:
    page = opened(VIEWS["causal"])
    cell = page.get_by_role("gridcell", name="the may not look at it")
    cell.click()
    assert page.locator(".readout b").inner_text() == "may not look"
    assert page.get_by_text("may not look there").is_visible()


def test_several_explorers_do_not_meet(opened) -> None:
    page = opened(VIEWS["cross"], VIEWS["heads"], VIEWS["heads"])
    views = page.locator(".attn-explorer")
    assert views.count() == 3
    views.nth(2).get_by_role("rowheader", name="query it", exact=True).click()
    lists = [views.nth(i).locator(".looks p").first.inner_text() for i in range(3)]
    assert lists == ["Where “1” looks", "Where “the” looks", "Where “it” looks"]


def test_without_scripts_the_picture_stands_in(opened) -> None:
    page = opened(VIEWS["heads"], java_script_enabled=False)
    picture = page.get_by_role("img")
    assert picture.get_attribute("alt") == repr(VIEWS["heads"])
    assert picture.bounding_box()["width"] > 200
    assert page.get_by_text("A still picture").is_visible()


def background(page: Page) -> str:
    return page.locator(".attn-explorer").evaluate("node => getComputedStyle(node).backgroundColor")


@pytest.mark.parametrize(
    ("scheme", "attributes", "paper"),
    [
        ("light", "", "rgb(255, 255, 255)"),
        ("dark", "", "rgb(27, 26, 31)"),
        ("dark", 'data-jp-theme-light="true"', "rgb(255, 255, 255)"),
        ("light", 'data-jp-theme-light="false"', "rgb(27, 26, 31)"),
    ],
)
def test_light_and_dark_follow_the_page(opened, scheme, attributes, paper) -> None:
    page = opened(VIEWS["heads"], color_scheme=scheme, attributes=attributes)
    assert background(page) == paper
    if attributes:  # JupyterLab changes its theme on a page that is open
        dark = "true" in attributes
        page.evaluate(f"document.body.dataset.jpThemeLight = '{str(not dark).lower()}'")
        page.wait_for_function(
            "dark => document.querySelector('.attn-explorer').dataset.theme === dark",
            arg="dark" if dark else "light",
        )


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_page(opened, name: str, width: int) -> None:
    page = opened(VIEWS[name], viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """() => [...document.querySelector('.attn-explorer').shadowRoot.querySelectorAll('*')]
            .filter(node => node.childNodes.length)
            .map(node => parseFloat(getComputedStyle(node).fontSize)).filter(size => size < 12)"""
    )
    assert small == [], "text under 9 pt"


def test_motion_is_left_out_where_it_is_not_wanted(opened) -> None:
    page = opened(VIEWS["heads"], reduced_motion="reduce")
    still = page.locator(".bar").first.evaluate("node => getComputedStyle(node).transitionDuration")
    assert still == "0s"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_axe_finds_no_serious_fault(opened, axe: str, name: str, scheme: str) -> None:
    page = opened(VIEWS[name], color_scheme=scheme, reduced_motion="reduce")
    page.get_by_role("rowheader").first.click()
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run(document.querySelector('main'))).violations")
    serious = [
        (fault["id"], [node["html"] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert serious == []
