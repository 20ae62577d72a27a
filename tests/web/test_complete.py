"""The route behind the search field: what it offers, to whom, and that only the console's own pages ask it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support import log_lines
from tests.support.log_lines import document
from tests.web.serving import ROOT, serving

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)


def console_for(role, store, index, folder):
    return serving(
        folder,
        f"""
[server]
public_url = "http://127.0.0.1:{{port}}"
local_roles = ["{role}"]
[records]
url = "sqlite:///{folder}/records.sqlite3"
[environments.test.elasticsearch]
url = "{store}"
index = "{index}"
deadline = 60
[environments.down.elasticsearch]
url = "http://127.0.0.1:9"
""",
        ROOT / "app.py",
    )


@pytest.fixture(scope="module")
def written(real_elasticsearch):
    index = log_lines.new_index(real_elasticsearch)
    moments = [NOW - timedelta(minutes=5, seconds=number) for number in range(20)]
    log_lines.write(
        real_elasticsearch, index, (document(one, "read", "INFO", "storage", user_id="ada") for one in moments)
    )
    return real_elasticsearch, index


def asked(console, text, **more):
    ends = {"from": f"{time.time() - 3600:.0f}", "to": f"{time.time():.0f}"}
    params = {"env": "test", "text": text, "cursor": str(len(text)), **ends, **more.pop("params", {})}
    return console.get("/complete/logs", params=params, **more)


def test_fields_and_values_are_offered_and_a_viewer_is_not_told_who(written, tmp_path):
    with console_for("viewer", *written, tmp_path) as console:
        assert "component" in [one["label"] for one in asked(console, "comp").json()]
        (value,) = asked(console, "component:sto").json()
        assert (value["label"], value["insert"]) == ("storage", "component:storage")
        assert asked(console, "user_id:").json() == []
        assert "user_id" not in [one["label"] for one in asked(console, "user").json()]
        assert [one["label"] for one in asked(console, "target:").json()] == ["synaptic::storage"]


def test_an_operator_is_offered_who(written, tmp_path):
    with console_for("operator", *written, tmp_path) as console:
        assert [one["label"] for one in asked(console, "user_id:").json()] == ["ada"]


def test_other_sites_and_nonsense_get_nothing_and_a_store_that_is_down_costs_the_values_only(written, tmp_path):
    with console_for("viewer", *written, tmp_path) as console:
        assert asked(console, "comp", headers={"sec-fetch-site": "cross-site"}).status_code == 403
        bad = [{"to": one} for one in ("0", "253402300799", "1e300", "inf", "nan", "-1", "9" * 5000)]
        bad += [{"from": one} for one in ("x", "9e99", "-62135596800", "nan", "-inf", "")]
        for wrong in (*bad, {"env": "no"}, {"cursor": "x"}):
            assert asked(console, "comp", params=wrong).json() == []
        assert "component" in [one["label"] for one in asked(console, "comp", params={"env": "down"}).json()]
        assert asked(console, "component:", params={"env": "down"}).json() == []
