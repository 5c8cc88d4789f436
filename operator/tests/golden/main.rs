//! Golden pairs: `NAME.in.yaml` (a Distribution and the cluster around it) into `NAME.out.yaml` (what it
//! resolves to and what is planned). Adding a case is adding a file and running `UPDATE=1`.

mod case;
mod edits;
mod states;

use std::fs;
use std::path::{Path, PathBuf};

use case::Case;
use edge_contract::Epoch;
use operator::distribution::plan::{self, Plan, Turn};
use operator::distribution::resolve::{Resolution, resolve};
use operator::distribution::taken::Taken;
use serde_json::{Value, json};

/// Rewrites every `.out.yaml`.
const COMMAND: &str = "UPDATE=1 cargo test -p operator --test golden";

#[test]
fn every_case_resolves_and_plans_as_its_file_says() {
    let mut differing = Vec::new();
    for input in inputs() {
        let expected = PathBuf::from(input.to_string_lossy().replace(".in.yaml", ".out.yaml"));
        differing.extend(difference(&expected, &print(&Case::read(&input))));
    }
    assert!(
        differing.is_empty(),
        "these differ; look at them, and if they are right run `{COMMAND}`:\n{}",
        differing.join("\n")
    );
}

#[test]
fn planning_twice_plans_the_same() {
    for input in inputs() {
        let case = Case::read(&input);
        assert_eq!(print(&case), print(&case), "{}", input.display());
    }
}

#[test]
fn once_a_plan_is_carried_out_nothing_is_left_to_do() {
    for input in inputs() {
        let mut case = Case::read(&input);
        // Locations take turns: each round rolls one more.
        for _ in 0..4 {
            let Some(resolved) = resolve(&case.observed).resolved else { break };
            case.carry_out(&plan::plan(&case.observed, &resolved, &Turn::Ours), &resolved);
        }
        let Some(resolved) = resolve(&case.observed).resolved else { continue };
        let plan = plan::plan(&case.observed, &resolved, &Turn::Ours);
        assert_eq!(case.left_to_do(&plan), Vec::<String>::new(), "{}", input.display());
    }
}

#[test]
fn a_configuration_is_known_by_its_number_and_its_spec_is_kept() {
    for input in inputs() {
        let case = Case::read(&input);
        let Some(resolved) = resolve(&case.observed).resolved else { continue };
        let configuration = plan::plan(&case.observed, &resolved, &Turn::Ours).configuration;
        assert_eq!(configuration.numbered(Epoch(7), 3).validate(), [], "{}", input.display());
        let live = configuration.config_map(Epoch(7), 3);
        assert_eq!(configuration.is_numbered_in(&live), Some((Epoch(7), 3)), "{}", input.display());
        let kept = Taken::of(&live, &resolved.uid).expect("is kept").expect("is readable");
        assert_eq!(kept, Taken { generation: resolved.generation, spec: resolved.spec }, "{}", input.display());
    }
}

/// Where the files are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn inputs() -> Vec<PathBuf> {
    let folder = Path::new(FOLDER);
    let files = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("is read").path());
    let mut inputs: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".in.yaml")).collect();
    inputs.sort();
    assert!(inputs.len() >= 15, "only {} cases were found", inputs.len());
    inputs
}

fn print(case: &Case) -> String {
    let Resolution { resolved, findings } = resolve(&case.observed);
    let mut parts = vec![("findings", json!(findings))];
    match resolved {
        None => parts.push(("serves", json!("nothing new: everything stays as it is"))),
        Some(resolved) => {
            parts.push(("serves", json!(format!("generation {}", resolved.generation))));
            parts.extend(show(case, &plan::plan(&case.observed, &resolved, &Turn::Ours)));
        }
    }
    let mut text = format!("# Written by `{COMMAND}`.\n");
    for (name, value) in parts.iter().filter(|(_, value)| !is_empty(value)) {
        text += &serde_saphyr::to_string(&json!({ *name: value })).expect("is plain data");
    }
    text
}

fn show(case: &Case, plan: &Plan) -> Vec<(&'static str, Value)> {
    let objects = plan.objects();
    let names: Vec<_> = objects.iter().map(|object| format!("{} {}", kind(object), name(object))).collect();
    let shown: Vec<_> = objects.iter().filter(|object| case.shows.iter().any(|shown| shown == kind(object))).collect();
    vec![
        ("sites", json!(plan.configuration.sites)),
        ("endpoints", json!(plan.endpoints)),
        ("shields", json!(plan.shields)),
        ("apply", json!(names)),
        ("heldBack", json!(plan.held_back)),
        ("prune", json!(plan.prune)),
        ("objects", json!(shown)),
    ]
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Where a file differs from what it should hold; with `UPDATE` it is made to hold it.
fn difference(path: &Path, fresh: &str) -> Option<String> {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, fresh).expect("writes");
    }
    let there = fs::read_to_string(path).unwrap_or_default();
    first_difference(&there, fresh).map(|line| format!("{}: {line}", path.display()))
}

fn first_difference(there: &str, fresh: &str) -> Option<String> {
    if there == fresh {
        return None;
    }
    let lines = there.lines().chain(std::iter::repeat("(nothing)")).zip(fresh.lines());
    let differing = lines.enumerate().find(|(_, (there, fresh))| there != fresh);
    Some(differing.map_or("has lines too many".into(), |(at, (there, fresh))| {
        format!("line {} is\n    {there}\n  and should be\n    {fresh}", at + 1)
    }))
}
