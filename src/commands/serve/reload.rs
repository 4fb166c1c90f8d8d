//! SIGHUP and `RELOAD`: the configuration is read again and put in force.

use std::path::Path;

use router_proxy::settings::Settings;
use router_proxy::{Handle, ReloadError};

use crate::config;
use crate::config::difference::Difference;

/// Reads the file for `RELOAD` on the console; its faults in one text.
pub(super) fn settings(path: &Path) -> Result<Settings, String> {
    config::load(path).map_err(|problems| {
        let lines: Vec<_> = problems.list.iter().map(|p| problems.line(p)).collect();
        lines.join("; ")
    })
}

/// Reads the file and puts what differs in force. A faulty file, or one that differs in keys that only a
/// restart can change, changes nothing.
pub(super) async fn read(path: &Path, handle: &Handle) {
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
    let differences = match handle.reload(settings).await {
        Ok(differences) => differences,
        Err(error) => {
            let hint = match &error {
                ReloadError::Fixed(_) => "restart to change these",
                _ => "mend it and send SIGHUP again",
            };
            tracing::error!(target: "shunt", "SIGHUP: {error}; nothing is changed. hint: {hint}");
            return;
        }
    };
    if let Some(warning) = handle.warning() {
        tracing::warn!(target: "shunt", "{warning}");
    }
    if differences.is_empty() {
        tracing::info!(target: "shunt", "SIGHUP: {} says what runs already", path.display());
        return;
    }
    tracing::info!(target: "shunt", "SIGHUP: {} is in force", path.display());
    for Difference { key, old, new } in differences {
        tracing::info!(
            target: "shunt",
            key,
            old = old.as_deref(),
            new = new.as_deref(),
            "changed",
        );
    }
}
