//! What systemd is told (`Type=notify`); elsewhere there is nobody to tell, and nothing happens.

use sd_notify::NotifyState;

/// This process serves, by the settings that it has read last. After a takeover it is the unit's main process.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
}

/// Other settings are being read.
pub(super) fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The drain has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(target: "shunt", %error, "systemd cannot be told");
    }
}
