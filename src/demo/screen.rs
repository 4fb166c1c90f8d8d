//! What the user sees while the demo works: spinners on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Standard output.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    /// Present on a terminal.
    bars: Option<MultiProgress>,
}

/// Work under way.
pub(super) struct Step {
    screen: Screen,
    bar: Option<ProgressBar>,
}

impl Screen {
    pub(super) fn new() -> Self {
        // Spinners are drawn on standard error; both must be the terminal.
        let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self {
            bars: terminal.then(MultiProgress::new),
        }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.bars.is_some()
    }

    /// Columns to fill.
    pub(super) fn width(&self) -> u16 {
        const PLAIN: u16 = 110;
        if !self.is_terminal() {
            return PLAIN;
        }
        comfy_table::Table::new()
            .width()
            .unwrap_or(PLAIN)
            .clamp(60, 140)
    }

    /// A line above the spinners.
    pub(super) fn line(&self, text: &str) {
        let write = || {
            // A reader that has gone away does not stop the demo; its signals do.
            let _ = writeln!(anstream::stdout(), "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// Several lines that end with a line feed of their own.
    pub(super) fn block(&self, text: &str) {
        self.line(text.trim_end_matches('\n'));
    }

    /// Begins work that is told about until it is done.
    pub(super) fn step(&self, text: &str) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("  {spinner:.cyan} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.set_message(text.to_owned());
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        Step {
            screen: self.clone(),
            bar,
        }
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    pub(super) fn red(&self, text: &str) -> String {
        self.styled("31", text)
    }

    /// anstream takes the codes out again where they are not wanted (`NO_COLOR`).
    fn styled(&self, code: &str, text: &str) -> String {
        if self.is_terminal() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Step {
    /// Replaces what the spinner says.
    pub(super) fn goes_on(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Leaves a line in the spinner's place.
    pub(super) fn done(self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mark = self.screen.styled("32", "✓");
        self.screen.line(&format!("  {mark} {text}"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
