"""A small set of Kibana files in the readable form of ``kibana/``: one object of each kind, with references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RULE = "5f0c1f6e-3d0a-4c83-9d83-0d6a3f4b7a11"


def write_files(root: Path, prefix: str = "small", rule: str = RULE) -> Path:
    """Write the files below a folder.

    Args:
        root: made if it is not there.
        prefix: of all ids.
        rule: the id of the one rule.
    """
    versions = {"managed": False, "coreMigrationVersion": "8.8.0"}
    tagged = {"type": "tag", "id": f"{prefix}-tag", "name": f"tag-ref-{prefix}-tag"}
    index = {"type": "index-pattern", "id": f"{prefix}-logs"}
    source = "kibanaSavedObjectMeta.searchSourceJSON.index"
    count = {
        "operationType": "count", "label": "Lines", "isBucketed": False, "dataType": "number", "scale": "ratio",
        "sourceField": "___records___",
    }  # fmt: skip
    layer = {"columnOrder": ["n"], "columns": {"n": count}, "incompleteColumns": {}}
    lens = {
        "title": "Lines", "visualizationType": "lnsMetric", "type": "lens",
        "state": {"visualization": {"layerId": "l1", "layerType": "data", "metricAccessor": "n"},
         "query": {"query": "", "language": "kuery"}, "filters": [],
         "datasourceStates": {"formBased": {"layers": {"l1": layer}}}, "internalReferences": [],
         "adHocDataViews": {}},
        "references": [{**index, "name": "indexpattern-datasource-layer-l1"}],
    }  # fmt: skip
    files: dict[str, Any] = {
        "tags": {"type": "tag", "attributes": {"name": prefix, "description": "From neuroflow-ship.",
         "color": "#54B399"}, "references": [], "typeMigrationVersion": "8.0.0"},
        "data_views": {"type": "index-pattern",
         "attributes": {"title": "logs-neuroflow.*-*", "name": f"{prefix} logs", "timeFieldName": "@timestamp",
         "allowNoIndex": True, "fieldFormatMap": {"event.duration": {"id": "duration",
         "params": {"inputFormat": "nanoseconds"}}}, "fieldAttrs": {}, "runtimeFieldMap": {}, "sourceFilters": []},
         "references": [], "typeMigrationVersion": "8.0.0"},
        "searches": {"type": "search", "attributes": {"title": f"{prefix} errors", "description": "",
         "columns": ["log.level", "message"], "sort": [["@timestamp", "desc"]], "grid": {}, "hideChart": False,
         "isTextBasedQuery": False, "timeRestore": False,
         "kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"query": 'log.level : "error"',
         "language": "kuery"}, "filter": [], "indexRefName": source}}},
         "references": [{**index, "name": source}, tagged], "typeMigrationVersion": "8.0.0"},
        "dashboards": {"type": "dashboard",
         "attributes": {"title": f"{prefix} overview", "description": "Größe und Zahl",
         "panelsJSON": [{"type": "lens", "panelIndex": "p1",
         "gridData": {"x": 0, "y": 0, "w": 12, "h": 8, "i": "p1"},
         "embeddableConfig": {"attributes": lens, "enhancements": {}}},
         {"type": "search", "panelIndex": "p2", "gridData": {"x": 12, "y": 0, "w": 36, "h": 8, "i": "p2"},
         "embeddableConfig": {"enhancements": {}}, "panelRefName": "panel_p2"}],
         "optionsJSON": {"useMargins": True, "hidePanelTitles": False},
         "controlGroupInput": {"controlStyle": "oneLine", "chainingSystem": "HIERARCHICAL",
         "ignoreParentSettingsJSON": {"ignoreFilters": False}, "panelsJSON": {}}, "version": 1, "timeRestore": True,
         "timeFrom": "now-24h", "timeTo": "now", "refreshInterval": {"pause": True, "value": 60000},
         "kibanaSavedObjectMeta": {"searchSourceJSON": {"query": {"query": "", "language": "kuery"}, "filter": []}}},
         "references": [{**index, "name": "p1:indexpattern-datasource-layer-l1"},
         {"type": "search", "id": f"{prefix}-errors", "name": "p2:panel_p2"}, tagged],
         "typeMigrationVersion": "8.9.0"},
    }  # fmt: skip
    names = {"tags": "tag", "data_views": "logs", "searches": "errors", "dashboards": "overview"}
    for folder, body in files.items():
        name = f"{prefix}-{names[folder]}"
        _write(root / folder / f"{name}.json", {**body, "id": name, **versions})
    _write(
        root / "rules" / f"{prefix}-errors.json",
        {
            "id": rule, "name": f"{prefix} errors", "rule_type_id": ".es-query", "consumer": "stackAlerts",
            "enabled": False,
            "schedule": {"interval": "5m"},
            "tags": [prefix], "actions": [],
            "params": {"searchType": "esQuery", "index": ["logs-neuroflow.*-*"], "timeField": "@timestamp",
             "esQuery": {"query": {"term": {"log.level": "error"}}}, "size": 10, "threshold": [0],
             "thresholdComparator": ">", "timeWindowSize": 5, "timeWindowUnit": "m"},
        },
    )  # fmt: skip
    return root


def edit(path: Path, **attributes: Any) -> None:
    """Change attributes of one file."""
    body = json.loads(path.read_text())
    body.get("attributes", body).update(attributes)
    _write(path, body)


def _write(path: Path, body: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n")
