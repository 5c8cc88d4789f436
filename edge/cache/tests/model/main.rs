//! The crate's verdicts against a second opinion: the RFCs' own words once more, slow and plain, on the same random runs.
//!
//! What a cache may do is written down in [`law`], [`says`], [`words`], [`dates`], [`viewer`], [`request`] and [`target`] from the
//! texts alone. [`core`] carries out the crate's verdicts. Both go through the same runs ([`chance`], [`odd`]); where they differ,
//! the run is made small ([`shrink`]) and printed. `EXCHANGES=1000000` runs more of them, `SEED=7` others, and `SEED=7 EXCHANGES=1`
//! one that was printed.

mod chance;
mod core;
mod dates;
mod law;
mod odd;
mod request;
mod says;
mod scene;
mod shapes;
mod shrink;
mod target;
mod viewer;
mod words;

use std::collections::BTreeMap;

use scene::{Cache, Event, Scene};

/// What both say of a run, event by event, up to the first difference.
fn play(scene: &Scene) -> Vec<(Vec<String>, Vec<String>)> {
    let mut law = law::Law::new(&scene.owner);
    let mut core = core::Core::new(&scene.owner);
    let both: [&mut dyn Cache; 2] = [&mut law, &mut core];
    let [law, core] = both;
    let mut said = Vec::new();
    for (number, event) in scene.events.iter().enumerate() {
        said.push((event.happens(number, law), event.happens(number, core)));
        if said.last().is_some_and(|(law, core)| law != core) {
            break;
        }
    }
    said
}

fn differs(scene: &Scene) -> bool {
    play(scene).last().is_some_and(|(law, core)| law != core)
}

fn told(scene: &Scene) -> String {
    let mut text = scene.to_string();
    for (number, (law, core)) in play(scene).iter().enumerate() {
        let sides = if law == core { vec![("both", law)] } else { vec![("the law", law), ("the crate", core)] };
        for (who, lines) in sides {
            text.extend([&format!("{number}: {who}\n  "), &lines.join("\n  "), "\n"]);
        }
    }
    text
}

fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")),
        Err(_) => otherwise,
    }
}

/// What happened how often, by the first words of its line: runs in which nothing happens would prove nothing.
fn count(counts: &mut BTreeMap<&'static str, u64>, lines: &[String]) {
    let kinds =
        ["freshened", "fresh", "stale", "stands in", "of no use", "stored", "asks if", "viewer: 304", "viewer: 504"];
    for line in lines {
        if let Some(kind) = kinds.into_iter().find(|kind| line.starts_with(kind)) {
            *counts.entry(kind).or_default() += 1;
        }
    }
}

#[test]
fn the_crate_does_what_the_rfcs_and_the_owner_say() {
    let (first, wanted) = (setting("SEED", 1), setting("EXCHANGES", 20_000));
    let (mut exchanges, mut seed, mut counts) = (0, first, BTreeMap::new());
    while exchanges < wanted {
        let scene = chance::scene(seed);
        let said = play(&scene);
        let agree = said.iter().all(|(law, core)| law == core);
        assert!(agree, "SEED={seed} EXCHANGES=1\n{}", told(&shrink::shrink(scene, differs)));
        exchanges += scene.events.iter().filter(|event| matches!(event, Event::Ask(_))).count() as u64;
        for (lines, _) in &said {
            count(&mut counts, lines);
        }
        seed += 1;
    }
    println!(
        "{exchanges} exchanges in {} runs, seeds {first} to {}: no difference in {counts:?}",
        seed - first,
        seed - 1
    );
    assert!(wanted < 20_000 || counts.len() == 9, "something never happened: {counts:?}");
}
