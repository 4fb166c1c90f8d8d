//! What `/proc` tells about a process.

use std::fs;
use std::process::Child;

use anyhow::Context;

/// Clock ticks per second of `/proc/PID/stat`; 100 on every Linux that Rust runs on (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in user and system mode so far, in seconds.
pub fn cpu_seconds(process: &Child) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    // The second field is the command in parentheses and may hold anything; fields are counted behind it.
    let rest = stat.rsplit_once(')').context("stat has a command")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .context("stat has times")
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// Memory that the process alone holds, in bytes (`RssAnon`).
pub fn memory(process: &Child) -> anyhow::Result<f64> {
    status(process, "RssAnon:")
}

/// The most memory that the process has held since [`forget_peak`], in bytes, its program's own text included (`VmHWM`).
pub fn peak(process: &Child) -> anyhow::Result<f64> {
    status(process, "VmHWM:")
}

/// The peak is counted from here on.
pub fn forget_peak(process: &Child) -> anyhow::Result<()> {
    // 5: see proc(5), `clear_refs`.
    fs::write(format!("/proc/{}/clear_refs", process.id()), "5").context("resetting the peak")
}

fn status(process: &Child, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status
        .lines()
        .find(|l| l.starts_with(name))
        .with_context(|| format!("status has {name}"))?;
    let kilobytes: f64 = line
        .split_whitespace()
        .nth(1)
        .context("it has a value")?
        .parse()?;
    Ok(kilobytes * 1024.0)
}
