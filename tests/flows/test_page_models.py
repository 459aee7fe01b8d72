"""The page on `thyrosight serve` with two models: one is chosen, an earlier result says whose it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parts import part_path

pytest.importorskip("fastapi")

from browser_page import SIZES, BrowserPage, barriers, wait_for
from reader_desk import two_nodules
from tiny_bundle import make_tiny_bundle
from web_server import encoded, post, serving
from web_server import wait_for as job_done

pytestmark = [pytest.mark.part("browser", "axe")]


@pytest.mark.parametrize("size", SIZES)
def test_the_model_is_switched_on_the_page(browser: Any, tmp_path: Path, size: str) -> None:
    first = make_tiny_bundle(tmp_path / "first", name="first")
    make_tiny_bundle(tmp_path / "models" / "learned" / "bundle", name="other", mask_threshold=0.2)
    make_tiny_bundle(tmp_path / "models" / "namesake", name="first", mask_threshold=0.4)
    with serving(tmp_path / "data", first, "--models", str(tmp_path / "models")) as server:
        client = server.client()
        job_done(client, post(client, ("a.png", encoded([two_nodules()], "PNG"))).json()["id"])
        sight = BrowserPage(browser, server.address, size, bypass_csp=True)
        page = sight.page
        sight.wait_until_open()
        assert page.locator(".by-model").count() == 0
        for model in sorted(client.get("/api/v1/models").json()["models"], key=lambda one: one["is_chosen"]):
            if model["name"] == "first":  # the namesake, then the first again
                client.put("/api/v1/model", json={"id": model["id"]})
                page.reload()
                sight.wait_until_open()
                told = page.locator(".by-model").all_inner_texts()
                assert len(told) == (not model["is_chosen"])
                assert all("another model of the same name. Predict again by the chosen one" in line for line in told)
        page.click("#provenance summary")
        page.click("#provenance button")  # there is no room in a narrow header
        page.wait_for_selector("#models input")
        page.add_script_tag(content=part_path("axe").read_text(encoding="utf-8"))
        sight.picture("models")
        assert barriers(page) == []
        page.check("#models label:has-text('other') input")
        page.click("#models-use")
        page.wait_for_selector(".by-model:has-text('Result by first')")
        sight.picture("other-model")
        assert barriers(page) == []
        page.click(".by-model button")
        page.wait_for_selector(".by-model", state="detached")
        sight.wait_until_open()
        wait_for(lambda: "other (" in str(page.text_content("#provenance")))
        assert page.text_content("#served") == "other"
        assert sight.complaints == []
        sight.close()
