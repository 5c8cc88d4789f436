//! Manifests into what the operator makes of them, printed.

use std::io::Write;
use std::sync::Arc;

use crds::condition::Reason;
use edge_contract::{EdgeConfig, Epoch, Walls};
use operator::cluster::Cluster;
use operator::distribution::plan::{self, Turn};
use operator::distribution::resolve::resolve;
use operator::finding::Finding;
use serde_json::{Value, json};

use crate::arguments::{Output, Render};
use crate::cluster::cluster;
use crate::files::Files;
use crate::places::{Assume, Places};
use crate::serving::{Around, Memory, local_hint, observe};
use crate::world::Kept;
use crate::{Outcome, say};

/// What one Distribution becomes.
struct Rendered {
    name: String,
    edge_config: EdgeConfig,
    children: Vec<Value>,
}

/// Prints it, and what is wrong on standard error.
pub fn run(render: &Render) -> Result<Outcome, String> {
    let texts = Files::named(&render.manifests.files).read();
    let (world, mut complaints) = Kept::default().take(&texts, &render.manifests.namespace);
    let assume = if render.assumed.assume_services { Assume::Everything } else { Assume::Nothing };
    let walls = Walls { local_origins: render.assumed.allow_local_origins, ..Walls::default() };
    let cluster = Arc::new(Cluster { walls, ..cluster(&render.edge_image) });
    let around = Around { places: Places::default(), assume, cluster };
    let mut rendered = Vec::new();
    for (key, declared) in &world.distributions {
        let claims = Memory::default().claims(key, &world);
        let observed = observe(declared.object.clone(), None, &world, &around, claims);
        let resolution = resolve(&observed);
        let findings = resolution.findings.into_iter();
        complaints.extend(findings.map(|finding| {
            let hint = if is_missing(&finding) {
                ", or take it to exist with --assume-services"
            } else {
                local_hint(&finding)
            };
            declared.complaint(&finding.field, format!("{}{hint}", finding.message))
        }));
        let Some(resolved) = resolution.resolved else { continue };
        let plan = plan::plan(&observed, &resolved, &Turn::Ours);
        rendered.push(Rendered {
            name: key.to_string(),
            edge_config: plan.configuration.numbered(Epoch(1), 1),
            children: plan.objects(),
        });
    }
    print(render, &rendered)?;
    say(&complaints);
    say(&world.skipped);
    if world.distributions.is_empty() && complaints.is_empty() {
        return Err("there is no Distribution in these files".into());
    }
    Ok(if complaints.is_empty() { Outcome::Well } else { Outcome::Found })
}

/// Whether what an origin names would be there, if the cluster had it.
fn is_missing(finding: &Finding) -> bool {
    let is_reference = [".service.", ".ingress."].iter().any(|part| finding.field.contains(part));
    is_reference && matches!(finding.reason, Reason::NotFound | Reason::AddressPending)
}

fn print(render: &Render, rendered: &[Rendered]) -> Result<(), String> {
    let (edge_config, children) = (!render.children, !render.edge_config);
    let text = match render.output {
        Output::Json => json_of(rendered, edge_config, children)?,
        Output::Yaml => yaml_of(rendered, edge_config, children)?,
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("writing: {error}"))
}

fn json_of(rendered: &[Rendered], edge_config: bool, children: bool) -> Result<String, String> {
    let one = |one: &Rendered| {
        let mut fields = json!({ "distribution": one.name });
        if edge_config {
            fields["edgeConfig"] = json!(one.edge_config);
        }
        if children {
            fields["children"] = json!(one.children);
        }
        fields
    };
    let all: Vec<_> = rendered.iter().map(one).collect();
    serde_json::to_string_pretty(&all).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn yaml_of(rendered: &[Rendered], edge_config: bool, children: bool) -> Result<String, String> {
    let mut documents = Vec::new();
    for one in rendered {
        if edge_config {
            documents.push(document(&format!("{}: what its edges serve", one.name), &json!(one.edge_config))?);
        }
        for child in one.children.iter().filter(|_| children) {
            let word = |pointer: &str| child.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let comment = format!("{}: {} {}", one.name, word("/kind"), word("/metadata/name"));
            documents.push(document(&comment, child)?);
        }
    }
    Ok(documents.join("---\n"))
}

fn document(comment: &str, value: &Value) -> Result<String, String> {
    let text = serde_saphyr::to_string(value).map_err(|error| error.to_string())?;
    Ok(format!("# {comment}\n{text}"))
}
