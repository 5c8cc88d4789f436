//! Arguments into a command, and what came of it into an exit status.

mod arguments;
mod clock;
mod cluster;
mod complaint;
mod contents;
mod dev;
mod document;
mod explain;
mod fields;
mod files;
mod place;
mod places;
mod render;
mod schema;
mod serving;
mod world;

use std::process::ExitCode;

use arguments::{Command, CommandLine};
use clap::Parser;
use complaint::Complaint;

/// What came of a command that did what it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Well,
    /// Something was found, and has been said.
    Found,
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().command {
        Command::Dev(dev) => dev::run(&dev),
        Command::Render(render) => render::run(&render),
        Command::Explain(explain) => explain::run(&explain),
        Command::Fields(fields) => fields::run(&fields),
    };
    match outcome {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("kubefront: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells a person what is wrong.
fn say(complaints: &[Complaint]) {
    for complaint in complaints {
        eprintln!("{complaint}");
    }
}
