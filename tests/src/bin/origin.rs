//! Turns a command line into a running sample origin, which ends gracefully on SIGTERM.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use tests::origin::{Origin, Secure, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// An origin for trying out and testing Kubefront: it numbers every read, and misbehaves when asked to.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where viewers and edges are answered.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Where the content is changed, reads are counted and held requests are released; also `/readyz`.
    #[arg(long, default_value = "0.0.0.0:8081")]
    admin: SocketAddr,
    /// The version of the content at the start.
    #[arg(long, default_value = "v1")]
    content: String,
    /// `Cache-Control` of every answer whose query asks for nothing else; empty: none.
    #[arg(long, default_value = "")]
    cache_control: String,
    /// Where the same is answered over TLS, to whom its authority vouches for.
    #[arg(long, requires = "tls_folder")]
    tls_listen: Option<SocketAddr>,
    /// The folder of `tls.crt`, `tls.key` and `ca.crt`, which are read once.
    #[arg(long)]
    tls_folder: Option<PathBuf>,
    /// How many seconds connections are still accepted after SIGTERM, while `/readyz` already says no.
    #[arg(long, default_value_t = 5)]
    linger: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let origin = Origin::start(Settings {
        listen: arguments.listen,
        admin: arguments.admin,
        content: arguments.content,
        cache_control: arguments.cache_control,
        secure: arguments.tls_listen.zip(arguments.tls_folder).map(|(listen, folder)| Secure { listen, folder }),
    })
    .await?;
    println!("origin on {}, admin on {}", origin.address(), origin.admin_address());
    tokio::select! {
        _ = terminate.recv() => origin.stop(Duration::from_secs(arguments.linger)).await,
        _ = interrupt.recv() => {}
    }
    Ok(())
}
