//! The command line into what runs: the operator, a check of a URL, the `CustomResourceDefinition`s.

use std::process::ExitCode;

use clap::Parser;
use operator::causes::chain;
use operator::settings::{Command, CommandLine, LogFormat};
use operator::{admin, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match command {
        Command::Run(settings) => {
            log(settings.log_format);
            match runtime.block_on(run::run(settings)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!(error = chain(&error), "ended");
                    ExitCode::FAILURE
                }
            }
        }
        Command::Check(check) => match runtime.block_on(admin::check(&check.url)) {
            Ok(()) => {
                println!("{} answers", check.url);
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{}: {}", check.url, chain(&error));
                ExitCode::FAILURE
            }
        },
        Command::Crds => {
            let definitions = crds::schema::definitions();
            let files: Vec<_> = definitions.iter().map(crds::schema::yaml).collect();
            print!("{}", files.join("---\n"));
            ExitCode::SUCCESS
        }
    }
}

/// Writes log lines to standard output, as much as `RUST_LOG` asks for.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        LogFormat::Text => lines.init(),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("{}", chain(error));
    ExitCode::FAILURE
}
