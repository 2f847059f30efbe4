//! Panels and their layout.

use serde_json::{json, Value};

use crate::query::Query;
use crate::Row;

/// Columns of Grafana's grid.
const COLUMNS: usize = 24;
/// Width of a panel, in columns.
const WIDTH: usize = 8;
/// Height of a panel, in grid units.
const HEIGHT: usize = 8;

/// The unit of a panel's values.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Count,
    PerSecond,
    Bytes,
    BytesPerSecond,
    Seconds,
    Share,
}

impl Unit {
    /// Grafana's name of the unit.
    fn id(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "binBps",
            Self::Seconds => "s",
            Self::Share => "percentunit",
        }
    }
}

/// A dashboard panel.
pub(crate) struct Panel {
    pub(crate) queries: Vec<Query>,
    title: &'static str,
    kind: &'static str,
    defaults: Value,
    options: Value,
}

impl Panel {
    /// A time series panel.
    pub(crate) fn lines<const N: usize>(
        title: &'static str,
        unit: Unit,
        queries: [Query; N],
    ) -> Self {
        let custom = json!({ "lineWidth": 1, "fillOpacity": 8, "showPoints": "never" });
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        let defaults = json!({ "unit": unit.id(), "min": 0, "custom": custom });
        Self::new(title, "timeseries", queries.into(), defaults, options)
    }

    /// A panel with the latest value.
    pub(crate) fn figure(title: &'static str, unit: Unit, query: Query) -> Self {
        let options = json!({ "reduceOptions": { "calcs": ["lastNotNull"] }, "colorMode": "none" });
        Self::new(
            title,
            "stat",
            vec![query],
            json!({ "unit": unit.id() }),
            options,
        )
    }

    /// A panel with the readiness state of each instance, in words.
    pub(crate) fn readiness(title: &'static str, query: Query) -> Self {
        let state = |text: &str, color: &str| json!({ "text": text, "color": color });
        let mappings = json!([{ "type": "value", "options": {
            "0": state("not ready", "red"),
            "1": state("degraded", "orange"),
            "2": state("ready", "green"),
        } }]);
        let options = json!({
            "reduceOptions": { "calcs": ["lastNotNull"] },
            "colorMode": "background", "graphMode": "none", "textMode": "value_and_name",
        });
        Self::new(
            title,
            "stat",
            vec![query],
            json!({ "mappings": mappings }),
            options,
        )
    }

    /// A table of labels, for series with a constant value.
    pub(crate) fn table(title: &'static str, query: Query) -> Self {
        Self::new(
            title,
            "table",
            vec![query],
            json!({}),
            json!({ "showHeader": true }),
        )
    }

    /// Draws a line at the alert threshold.
    pub(crate) fn threshold(mut self, at: f64) -> Self {
        let steps =
            json!([{ "color": "transparent", "value": null }, { "color": "red", "value": at }]);
        self.defaults["thresholds"] = json!({ "mode": "absolute", "steps": steps });
        self.defaults["custom"]["thresholdsStyle"] = json!({ "mode": "dashed" });
        self
    }

    fn new(
        title: &'static str,
        kind: &'static str,
        queries: Vec<Query>,
        defaults: Value,
        options: Value,
    ) -> Self {
        Self {
            queries,
            title,
            kind,
            defaults,
            options,
        }
    }

    fn json(&self, id: usize, x: usize, y: usize) -> Value {
        let target = |(at, query): (usize, &Query)| {
            json!({
                "refId": char::from(b'A' + u8::try_from(at).unwrap_or_default()).to_string(),
                "datasource": source(),
                "expr": query.expr,
                "legendFormat": query.legend,
                "format": if self.kind == "table" { "table" } else { "time_series" },
                "instant": self.kind != "timeseries",
                "range": self.kind == "timeseries",
            })
        };
        json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "datasource": source(),
            "gridPos": { "x": x, "y": y, "w": WIDTH, "h": HEIGHT },
            "targets": self.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
            "fieldConfig": { "defaults": self.defaults, "overrides": [] },
            "options": self.options,
        })
    }
}

/// The data source selected on the dashboard.
pub(crate) fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Lays out all panels in the grid, each row below its title.
pub(crate) fn layout(rows: &[Row]) -> Vec<Value> {
    let mut all = Vec::new();
    let mut y = 0;
    for (title, panels) in rows {
        let at = json!({ "x": 0, "y": y, "w": COLUMNS, "h": 1 });
        all.push(
            json!({ "id": all.len() + 1, "type": "row", "title": title, "collapsed": false,
            "gridPos": at, "panels": [] }),
        );
        y += 1;
        for (at, panel) in panels.iter().enumerate() {
            let per_row = COLUMNS / WIDTH;
            let (x, below) = (at % per_row * WIDTH, at / per_row * HEIGHT);
            all.push(panel.json(all.len() + 1, x, y + below));
        }
        y += panels.len().div_ceil(COLUMNS / WIDTH) * HEIGHT;
    }
    all
}
