//! The series of a metric.

use transport_core::{Backend, ReadyState};

use crate::table::{Label, Metric, BACKEND_LABEL};
use crate::{names, values};

/// The labels of one series, in the order of the metric's labels.
pub type Series = Vec<(&'static str, &'static str)>;

impl Metric {
    /// Returns all series that can exist with these backends.
    ///
    /// None without the backend that the metric needs.
    #[must_use]
    pub fn series(&self, backends: &[Backend]) -> Vec<Series> {
        self.cells(backends).into_iter().flatten().collect()
    }

    /// Returns the product of all label values.
    ///
    /// The last label changes fastest. `None` stands for a series that cannot exist.
    pub(crate) fn cells(&self, backends: &[Backend]) -> Vec<Option<Series>> {
        let mut cells: Vec<Series> = vec![Vec::new()];
        for label in self.labels {
            let values = label.values_with(backends);
            let with = |cell: Series| {
                values.iter().map(move |value| {
                    let mut cell = cell.clone();
                    cell.push((label.name, *value));
                    cell
                })
            };
            cells = cells.into_iter().flat_map(with).collect();
        }
        cells
            .into_iter()
            .map(|cell| self.exists(&cell, backends).then_some(cell))
            .collect()
    }

    fn exists(&self, cell: &Series, backends: &[Backend]) -> bool {
        let given = |text: &str| backends.iter().any(|backend| backend.as_str() == text);
        let on_given = cell
            .iter()
            .all(|(name, value)| *name != BACKEND_LABEL || given(value));
        let needed = match self.needs {
            Some(backend) => backends.contains(&backend),
            None => true,
        };
        on_given && needed && (self.name != names::READINESS_TRANSITIONS || is_ready_state(cell))
    }
}

impl Label {
    /// Returns the possible values with these backends.
    ///
    /// Custom backends follow the built-in ones.
    pub(crate) fn values_with(&self, backends: &[Backend]) -> Vec<&'static str> {
        let mut values = self.values.to_vec();
        if self.name == BACKEND_LABEL {
            values.extend(custom_names(backends));
        }
        values
    }
}

/// Returns the names of the custom backends, each once, in their order.
pub(crate) fn custom_names(backends: &[Backend]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for backend in backends {
        if let Backend::Custom(name) = backend {
            if !names.contains(name) {
                names.push(*name);
            }
        }
    }
    names
}

/// Returns whether a state can have this reason.
fn is_ready_state(cell: &Series) -> bool {
    let labels = |state| values::ready_labels(state);
    ReadyState::all().into_iter().any(|state| {
        labels(state)
            .iter()
            .zip(cell)
            .all(|(wanted, (_, value))| wanted == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::METRICS;

    fn metric(name: &str) -> Metric {
        *METRICS.iter().find(|metric| metric.name == name).unwrap()
    }

    #[test]
    fn only_given_backends_have_series() {
        let dials = metric(names::DIALS);
        assert!(dials.series(&[]).is_empty());
        let of_uds = dials.series(&[Backend::Uds, Backend::Uds]);
        assert_eq!(of_uds.len(), 2, "{of_uds:?}");
        assert_eq!(of_uds[0], [("backend", "uds"), ("result", "ok")]);
        assert_eq!(dials.cells(&[Backend::Uds]).len(), 8);
    }

    #[test]
    fn custom_backends_follow_the_built_in_ones() {
        let dials = metric(names::DIALS);
        let backends = [
            Backend::Custom("vsock"),
            Backend::Tcp,
            Backend::Custom("vsock"),
        ];
        let series = dials.series(&backends);
        assert_eq!(series.len(), 4, "{series:?}");
        assert_eq!(series[2], [("backend", "vsock"), ("result", "ok")]);
        assert_eq!(dials.cells(&backends).len(), 10);
    }

    #[test]
    fn tls_and_arti_add_their_series() {
        let tls = [
            names::TLS_HANDSHAKES,
            names::TLS_CERTIFICATE_EXPIRY,
            names::TLS_CRL_EXPIRY,
        ];
        for metric in METRICS {
            let needs_tls = tls.contains(&metric.name);
            let needs_arti = metric.name == names::ARTI_BOOTSTRAP_PROGRESS;
            let backends = [Backend::Tcp, Backend::Uds];
            assert_eq!(metric.series(&backends).is_empty(), needs_tls || needs_arti);
            assert!(!metric.series(&Backend::ALL).is_empty());
        }
    }

    #[test]
    fn readiness_has_only_possible_states() {
        let all = metric(names::READINESS_TRANSITIONS).series(&[]);
        assert_eq!(all.len(), ReadyState::all().len());
        assert!(all.contains(&vec![("state", "ready"), ("reason", "none")]));
        assert!(all.contains(&vec![("state", "degraded"), ("reason", "arti_bootstrap")]));
        assert!(!all.contains(&vec![("state", "ready"), ("reason", "tls")]));
    }
}
