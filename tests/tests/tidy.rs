//! The repository's own rules, as tests: who may import whom, who may write what, what every file begins with.

#[path = "tidy/circles.rs"]
mod circles;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_path_buf()
}

/// Every file below `folder` with this extension, generated and built ones left out; paths are relative to the root.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("reads the folder").path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The part of a source file that ships: what stands before its tests.
fn shipped(path: &Path) -> String {
    let text = read(path);
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

fn is_test(path: &Path) -> bool {
    // `fake_api.rs` and `testing.rs` are compiled into unit tests only.
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|name| name == "tests" || name == "testing" || name == "fake_api")
}

/// The names of a crate's dependencies, of the given table.
fn dependencies(manifest: &str, table: &str) -> BTreeSet<String> {
    let text = read(Path::new(manifest));
    let section = text.split(&format!("\n[{table}]\n")).nth(1).unwrap_or_default();
    section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn never_depends(manifest: &str, forbidden: &[&str]) {
    let all = dependencies(manifest, "dependencies");
    for name in forbidden {
        assert!(!all.contains(*name), "{manifest} depends on {name}: see \"Who may import whom\" in ARCHITECTURE.md");
    }
}

#[test]
fn crates_import_only_what_lies_below_them() {
    never_depends("crds/Cargo.toml", &["edge", "edge-contract", "edge-cache", "operator", "cli", "tokio", "hyper"]);
    never_depends("operator/Cargo.toml", &["edge", "edge-cache", "cli", "tests"]);
    never_depends("edge/Cargo.toml", &["crds", "operator", "cli", "kube", "k8s-openapi", "tests"]);
    never_depends("cli/Cargo.toml", &["tests"]);
}

#[test]
fn the_contract_and_the_verdicts_know_no_runtime_no_network_and_no_cluster() {
    let forbidden =
        ["tokio", "hyper", "hyper-util", "futures", "kube", "k8s-openapi", "crds", "edge", "operator", "arc-swap"];
    never_depends("edge/contract/Cargo.toml", &forbidden);
    never_depends("edge/cache/Cargo.toml", &forbidden);
}

/// Whoever reads from the bottom up, values, then decisions, then what drives them, meets nothing that was not there before.
#[test]
fn no_files_import_each_other_in_a_circle() {
    for source in ["crds/src", "edge/contract/src", "edge/cache/src", "operator/src", "cli/src"] {
        let of_module = |path: PathBuf| {
            let below = path.strip_prefix(source).expect("below the source").with_extension("");
            (below.to_string_lossy().replace('/', "::"), shipped(&path))
        };
        let is_module = |path: &PathBuf| !is_test(path) && !path.ends_with("lib.rs") && !path.ends_with("main.rs");
        let circles = circles::circles(&files(source, "rs").into_iter().filter(is_module).map(of_module).collect());
        assert!(circles.is_empty(), "in {source} these import each other by some way: {circles:?}");
    }
}

/// Files that decide: they may not wait, call or look at a clock.
fn deciding() -> Vec<PathBuf> {
    let names = [
        "observed.rs",
        "resolve.rs",
        "resolved.rs",
        "plan.rs",
        "conditions.rs",
        "counters.rs",
        "holds.rs",
        "ailing.rs",
    ];
    files("operator/src", "rs")
        .into_iter()
        .filter(|path| {
            let text = path.to_string_lossy().into_owned();
            names.iter().any(|name| path.ends_with(name))
                || ["/compile/", "/objects/", "/resolve/", "/plan/"].iter().any(|folder| text.contains(folder))
                || text.ends_with("src/compile.rs")
                || text.ends_with("src/objects.rs")
        })
        .chain(files("edge/cache/src", "rs"))
        .chain(files("edge/contract/src", "rs"))
        .chain(files("crds/src", "rs"))
        .collect()
}

#[test]
fn files_that_decide_neither_wait_nor_call() {
    for path in deciding() {
        // A moment is a value; asking for it is what only a clock may.
        let code = shipped(&path).replace("tokio::time::Instant", "Instant");
        for forbidden in ["async fn", ".await", "async move", "kube::Client", "kube::Api", "tokio::"] {
            assert!(!code.contains(forbidden), "{} decides, so it may not hold `{forbidden}`", path.display());
        }
    }
}

#[test]
fn only_a_clock_reads_the_time() {
    let folders = ["operator/src", "edge", "crds/src", "cli/src"];
    for path in folders.into_iter().flat_map(|folder| files(folder, "rs")) {
        if path.ends_with("clock.rs") || is_test(&path) {
            continue;
        }
        let code = shipped(&path);
        for forbidden in ["Instant::now()", "SystemTime::now()", "Timestamp::now()", "Zoned::now()", "Utc::now()"] {
            assert!(!code.contains(forbidden), "{} says `{forbidden}`: take `now` as a parameter", path.display());
        }
    }
}

#[test]
fn only_their_files_write_to_the_api() {
    let writers = [
        // What is written, and the files that may.
        (".replace_status(", &["report.rs", "accept.rs", "status_write.rs"][..]),
        (".patch_status(", &["report.rs"][..]),
        ("Patch::Apply(", &["server_side_apply.rs"][..]),
    ];
    for path in files("operator/src", "rs").into_iter().filter(|path| !is_test(path)) {
        let code = shipped(&path);
        for (call, allowed) in writers {
            let may = allowed.iter().any(|name| path.ends_with(name));
            assert!(may || !code.contains(call), "{} may not call `{call}`: only {allowed:?} do", path.display());
        }
    }
}

#[test]
fn every_source_file_opens_with_what_it_turns_into_what() {
    for folder in ["crds/src", "edge", "operator", "cli", "tests"] {
        for path in files(folder, "rs") {
            let first = read(&path).lines().next().unwrap_or_default().to_owned();
            assert!(first.starts_with("//! ") && first.len() > 20, "{} must open with a //! sentence", path.display());
        }
    }
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    for path in ["crds", "edge", "operator", "cli", "tests"].into_iter().flat_map(|folder| files(folder, "rs")) {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        assert!(
            !["utils", "util", "common", "helpers", "helper", "types", "misc", "mod"].contains(&stem.as_str()),
            "{}: name the file for what it does",
            path.display()
        );
    }
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    for path in ["crds", "edge", "operator", "cli", "tests"].into_iter().flat_map(|folder| files(folder, "rs")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = read(&path);
        assert!(!text.contains("#[ignore"), "{} ignores a test", path.display());
        assert!(!text.contains("thread::sleep"), "{} sleeps: wait on a condition", path.display());
    }
}

/// Where code may be unsafe, each with its proof beside it.
const UNSAFE: [&str; 0] = [];

#[test]
fn unsafe_code_stands_only_where_it_is_listed() {
    for path in ["crds", "edge", "operator", "cli", "tests"].into_iter().flat_map(|folder| files(folder, "rs")) {
        if path.ends_with("tidy.rs") || UNSAFE.iter().any(|listed| path.ends_with(listed)) {
            continue;
        }
        let unsafe_word = ["unsafe {", "unsafe fn", "unsafe impl"].into_iter().find(|word| read(&path).contains(word));
        assert!(unsafe_word.is_none(), "{} holds {unsafe_word:?} and is not listed", path.display());
    }
}

/// What an edge's code may not do with what came from the network.
#[test]
fn edges_deny_what_panics() {
    for crate_root in ["edge/src/lib.rs", "edge/cache/src/lib.rs", "edge/contract/src/lib.rs"] {
        let text = read(Path::new(crate_root));
        let manifest = read(&Path::new(crate_root).parent().and_then(Path::parent).expect("src").join("Cargo.toml"));
        for lint in ["unwrap_used", "expect_used", "indexing_slicing", "panic"] {
            assert!(text.contains(lint) || manifest.contains(lint), "{crate_root} does not deny clippy::{lint}");
        }
    }
}

/// The `` `file::function` `` names in a document: `operator/src/distribution.rs::reconcile`.
fn named_functions(document: &str) -> Vec<(String, String)> {
    read(Path::new(document))
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|word| word.split_once(".rs::"))
        .map(|(file, function)| (format!("{file}.rs"), function.trim_end_matches("()").to_owned()))
        .collect()
}

#[test]
fn every_function_that_the_architecture_names_exists() {
    let named = named_functions("ARCHITECTURE.md");
    assert!(named.len() >= 20, "ARCHITECTURE.md names the functions of the three walks, found {}", named.len());
    for (file, function) in named {
        let text = read(Path::new(&file));
        let last = function.rsplit("::").next().unwrap_or_default();
        let exists = ["fn ", "struct ", "enum ", "const "].iter().any(|kind| {
            text.match_indices(&format!("{kind}{last}")).any(|(at, found)| {
                text[at + found.len()..].starts_with(|next: char| !next.is_alphanumeric() && next != '_')
            })
        });
        assert!(exists, "ARCHITECTURE.md names {file}::{function}, which is not there");
    }
}

#[test]
fn every_reason_of_a_condition_is_explained_to_users() {
    let explained = read(&root().join("docs/conditions.md"));
    let source = read(&root().join("crds/src/condition.rs"));
    let reasons = source.split("impl Reason").nth(1).expect("the reasons' words").split('"').skip(1).step_by(2);
    let missing: Vec<&str> = reasons.filter(|reason| !explained.contains(&format!("\n| {reason} |"))).collect();
    assert!(missing.is_empty(), "docs/conditions.md does not explain {missing:?}");
}

#[test]
fn every_clause_of_the_rfc_has_a_test_that_exists_or_a_reason() {
    let document = "docs/rfc9111.md";
    let rows: Vec<String> =
        read(Path::new(document)).lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    assert!(rows.len() >= 80, "{document} has a row for each clause, found {}", rows.len());
    for row in rows {
        let shown = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default().trim();
        assert!(shown.len() > 10, "{document} leaves this open: {row}");
    }
    for (file, test) in named_functions(document) {
        let text = read(Path::new(&file));
        let Some(at) = text.find(&format!("fn {test}(")) else {
            panic!("{document} names {file}::{test}, which is not there")
        };
        let before: Vec<&str> = text[..at].lines().rev().take(3).collect();
        assert!(before.iter().any(|line| line.contains("test]")), "{document} names {file}::{test}, which is no test");
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    for document in files(".", "md") {
        let text = read(&document);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = root().join(&document).parent().expect("a folder").join(target);
            assert!(path.exists(), "{} links to {target}, which is not there", document.display());
        }
    }
}
