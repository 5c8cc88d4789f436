//! Arguments into a running edge, a signal into its end.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::ExitCode;

use clap::Parser;
use edge::clock::Clock;
use edge::process::{self, StartError};
use edge::settings::Settings;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Many small, short-lived blocks on many threads; musl's own allocator would halve the throughput.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    begin_log();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "starting the runtime");
            return ExitCode::FAILURE;
        }
    };
    // Before anything that may take its time: a signal that comes earlier is lost on the first process of a container.
    let stop = match runtime.block_on(async { Stop::listen() }) {
        Ok(stop) => stop,
        Err(error) => {
            tracing::error!(%error, "listening for signals");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(&Settings::parse(), stop));
    // What still waits on a thread of its own, for a name or a file, must not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(%error, source, "the edge did not start");
            ExitCode::FAILURE
        }
    }
}

/// A line of JSON for each event. What libraries say by the crate `log` is left out: they name files of their own sources, and what they
/// complain of is in the errors that they return.
fn begin_log() {
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")));
    // There is no other one yet.
    let _ = tracing::subscriber::set_global_default(lines.finish());
}

async fn run(settings: &Settings, stop: Stop) -> Result<(), StartError> {
    let running = process::start(settings, Clock::system()).await?;
    running.until_drained(stop.told()).await;
    Ok(())
}

/// The word to stop, heard from here on: SIGTERM is Kubernetes', SIGINT a person's.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
