//! SIGHUP: the configuration is read again.

use std::path::Path;

use router_proxy::settings::Settings;

use crate::config;
use crate::config::difference::{Difference, differences};

/// What runs, and what the file said last.
pub(super) struct Reload {
    running: Settings,
}

impl Reload {
    /// `running` is what the proxy was started with.
    pub(super) fn new(running: Settings) -> Self {
        Self { running }
    }

    /// Reads the file and says what differs from what runs. A faulty file changes nothing.
    ///
    /// The proxy takes its settings when it is bound, so what differs waits for a restart, and is
    /// reported anew by every reload until then.
    pub(super) fn read(&mut self, path: &Path) {
        let settings = match config::load(path) {
            Ok(settings) => settings,
            Err(problems) => {
                tracing::error!(
                    target: "shunt",
                    "SIGHUP: {} has {}; nothing is changed",
                    path.display(),
                    match problems.list.len() {
                        1 => "a fault".to_owned(),
                        faults => format!("{faults} faults"),
                    },
                );
                for problem in &problems.list {
                    tracing::error!(target: "shunt", "{}", problems.line(problem));
                }
                return;
            }
        };
        let differences = differences(&self.running, &settings);
        if differences.is_empty() {
            tracing::info!(target: "shunt", "SIGHUP: {} says what runs already", path.display());
            return;
        }
        tracing::warn!(
            target: "shunt",
            "SIGHUP: {} is valid and differs from what runs",
            path.display(),
        );
        for Difference { key, old, new } in differences {
            tracing::warn!(
                target: "shunt",
                key,
                old = old.as_deref(),
                new = new.as_deref(),
                "takes effect after a restart",
            );
        }
    }
}
