"""Prometheus itself scrapes a workbench: no query of a dashboard is dead, and alerts agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import fraktal_kernel.agents.watch  # noqa: F401  its rules are among those at home
from fraktal_kernel.core.jobs.model import JobOptions
from fraktal_kernel.core.monitoring.alerts import rules as rules_at_home
from fraktal_kernel.core.remote import RemoteWorkbench
from fraktal_kernel.errors import JobFailed
from tests.agents.fleet import agent
from tests.agents.scripted import says, scripted
from tests.conftest import Server, free_port
from tests.system.serving import serving, until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
MISSING = "no Prometheus is installed; on Debian: apt-get install prometheus"
#: nothing fails, or is slow to look, by being looked at so often
SCRAPE_S = 1

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason=MISSING)


def queries() -> list[tuple[str, str]]:
    """List what the dashboards ask Prometheus, with the panel that does."""
    found = []
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            if panel.get("datasource", {}).get("type") == "prometheus":
                found += [(panel["title"], target["expr"]) for target in panel["targets"]]
    return found


class Scraped:
    """A workbench with an agent, and the Prometheus that looks at it."""

    def __init__(self, workbench: RemoteWorkbench, http: httpx.Client) -> None:
        self.workbench = workbench
        self._http = http

    def use_everything(self) -> None:
        """Use the bus, ask a person in a plan, and a model twice the same."""
        assert self.workbench.submit("watched.bus").wait(120)
        plan = {"name": "asking", "steps": [{"id": "good", "ask": "Is it good?"}]}
        self.workbench.submit("plan.run", plan=plan)
        until(lambda: self.workbench.approvals.list())
        for _ in range(2):  # the second answer is one that was kept
            answer = self.workbench.submit("chat.turn", text="Say a word.").wait(120)
            assert answer["text"] == "word"
        assert answer["cached"]

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate a query now."""
        answer = self._http.get("/api/v1/query", params={"query": expression})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """Name the alerts that Prometheus knows of."""
        alerts = self._http.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts}

    def told(self) -> set[str]:
        """Name the alerts that the workbench tells its own pages."""
        address = self.workbench.address
        answer = httpx.get(
            f"{address.url}/api/alerts",
            headers={"authorization": f"Bearer {address.token}"},
            trust_env=False,
            timeout=60,
        )
        return {alert["name"] for alert in answer.json()["alerts"]}

    def work(self) -> None:
        """Let jobs succeed and fail, so that there is something to count."""
        for _ in range(3):
            self.workbench.submit("test.echo").wait(60)
        on_agent = JobOptions(agent="box")
        self.workbench.submit("test.echo", options=on_agent).wait(60)
        for _ in range(3):
            with pytest.raises(JobFailed):
                self.workbench.submit("test.talk", text="refuse").wait(60)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """Start a workbench and a Prometheus with our configuration, that looks more often."""
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", folder)
    modules = json.dumps(["tests.capabilities", "tests.system.bus_capabilities"])
    with (
        scripted(says("word")) as model,
        serving(
            folder / "data", models=json.dumps([model.spec]), capability_modules=modules, workers=2
        ) as server,
        server.workbench() as workbench,
        agent(server, "box"),
    ):
        settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": "1s"}
        target = settings["scrape_configs"][0]["static_configs"][0]
        target["targets"] = [workbench.address.url.removeprefix("http://")]
        (folder / "token").write_text(workbench.address.token)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        port = free_port()
        program = shutil.which("prometheus") or "prometheus"
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "tsdb",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        looker = Server([program, *(f"--{key}={value}" for key, value in options.items())], folder)
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
                looking = Scraped(workbench, http)
                looker.wait_for(lambda: looking.ask("up == 1"))
                until(lambda: workbench.agents.get("box").state == "online")
                looking.use_everything()
                yield looking
        finally:
            looker.stop()


def test_no_query_of_a_dashboard_is_dead(scraped: Scraped) -> None:
    """Every panel has something to show once jobs, agents, plans, models and the bus were used."""
    asked = queries()
    assert len(asked) > 40
    silent = {expression for _, expression in asked}

    def answered() -> bool:
        scraped.work()
        for expression in list(silent):
            if scraped.ask(expression.replace("$__rate_interval", "1m")):
                silent.discard(expression)
        return not silent

    try:
        until(answered)
    except pytest.fail.Exception:
        pytest.fail(f"these never gave an answer: {sorted(silent)}")


def test_prometheus_and_our_own_pages_tell_the_same_alerts(scraped: Scraped) -> None:
    """Failures and dead letters are alerts in Prometheus and above our pages, under one name."""
    wanted = {"jobs_fail", "bus_dead_letters"}

    def both() -> bool:
        for _ in range(3):
            with pytest.raises(JobFailed):
                scraped.workbench.submit("test.talk", text="refuse").wait(60)
        return wanted <= scraped.firing() == scraped.told()

    try:
        until(both)
    except pytest.fail.Exception:
        pytest.fail(f"Prometheus tells {scraped.firing()}, the workbench {scraped.told()}")
    assert scraped.told() == wanted


def test_every_rule_fires_above_its_limit_and_not_below(tmp_path: Path) -> None:
    """What promtool says of the rules, series by series."""
    rules = DEPLOY / "prometheus" / "alerts.yml"
    text = (Path(__file__).parent / "alerts_test.yml").read_text()
    (tmp_path / "test.yml").write_text(text.replace("RULES", str(rules)))
    tried = set(re.findall(r"alertname: (\w+)", text))
    assert tried == {
        rule["alert"]
        for group in yaml.safe_load(rules.read_text())["groups"]
        for rule in group["rules"]
    }
    # whether it is up at all, a workbench cannot tell of itself
    assert tried == {*rules_at_home, "workbench_down"}
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    """What lies in ``deploy`` is taken as it stands, once there is a token."""
    shutil.copytree(DEPLOY / "prometheus", tmp_path / "prometheus")
    (tmp_path / "prometheus" / "token").write_text("fk_x")
    command = ["promtool", "check", "config", str(tmp_path / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_and_loki_files_can_be_read() -> None:
    """Dashboards and provisioning are whole, and every panel names a source that is provided."""
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/fraktal.yml").read_text())[
        "datasources"
    ]
    provided = {(source["type"], source["uid"]) for source in sources}
    for file in DASHBOARDS:
        board = json.loads(file.read_text())
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(set(numbers)) == len(numbers) and board["uid"].startswith("fraktal-")
        for panel in board["panels"]:
            if panel["type"] != "row":
                assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in provided
    assert yaml.safe_load((DEPLOY / "loki" / "loki.yml").read_text())["schema_config"]["configs"]
