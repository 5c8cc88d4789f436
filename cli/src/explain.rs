//! Manifests and a request into what would become of it, by the edge's own `/explain`, printed.

mod running;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use edge::clock::Clock;
use edge::edge::assemble;
use edge::explain;
use edge::settings::{OperatorSettings, Settings};
use edge_contract::{EdgeConfig, Epoch, Site, Walls};
use serde_json::Value;

use crate::arguments::{Explain, Output};
use crate::cluster::cluster;
use crate::files::Files;
use crate::places::{Assume, Places};
use crate::serving::{Around, Memory, decide};
use crate::world::Kept;
use crate::{Outcome, say};
use operator::cluster::Cluster;

/// Nobody connects to an edge that only explains.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Prints what becomes of the request, and what is wrong with the manifests on standard error.
pub fn run(explain: &Explain) -> Result<Outcome, String> {
    if let Some(admin) = &explain.admin {
        print(explain.output, &running::ask(admin, explain)?)?;
        return Ok(Outcome::Well);
    }
    let texts = Files::named(&explain.files).read();
    let (world, mut complaints) = Kept::default().take(&texts, &explain.namespace);
    let walls = Walls { local_origins: explain.allow_local_origins, ..Walls::default() };
    let around = Around {
        places: Places::default(),
        assume: Assume::Everything,
        cluster: Arc::new(Cluster { walls, ..cluster("") }),
    };
    let (served, found) = decide(&world, &mut Memory::default(), &around);
    complaints.extend(found);
    say(&complaints);
    say(&world.skipped);
    if served.is_empty() {
        return Err("there is no Distribution in these files that could serve".into());
    }
    print(explain.output, &answer(served.into_iter().map(|one| one.site).collect(), explain)?)?;
    Ok(if complaints.is_empty() { Outcome::Well } else { Outcome::Found })
}

/// What an edge that has served nothing yet says of the request.
fn answer(sites: Vec<Site>, asked: &Explain) -> Result<Value, String> {
    let request = explain::question(Some(&running::query(asked)))?;
    let edge = assemble(&settings(), Clock::system());
    edge.live.take_config(EdgeConfig::of(Epoch(1), 1, sites))?;
    Ok(explain::answer(&edge, request, explain::Known::Manifests))
}

/// An edge that neither listens nor stores.
fn settings() -> Settings {
    Settings {
        listen: NOWHERE,
        admin: NOWHERE,
        edges_listen: NOWHERE,
        config: None,
        dns: None,
        mounts: PathBuf::new(),
        mounted: None,
        cache_memory: 0,
        max_connections: 0,
        drain_accept: 0,
        drain_limit: 0,
        access_log: false,
        operator: OperatorSettings::default(),
    }
}

fn print(output: Output, value: &Value) -> Result<(), String> {
    let text = match output {
        Output::Yaml => serde_saphyr::to_string(value).map_err(|error| error.to_string())?,
        Output::Json => serde_json::to_string_pretty(value).map_err(|error| error.to_string())?,
    };
    let text = text.trim_end().to_owned() + "\n";
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("writing: {error}"))
}
