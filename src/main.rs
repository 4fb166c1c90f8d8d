//! The binary `shunt`: reads the command line, carries the command out, and says how it went.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use shunt::commands::{Cli, Failure, run};

fn main() -> ExitCode {
    // Clap ends the process itself: 0 after --help, 2 when the command line is wrong.
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Printed) {
                // Nobody is left to tell when standard error is gone too.
                let _ = writeln!(anstream::stderr(), "{failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}
