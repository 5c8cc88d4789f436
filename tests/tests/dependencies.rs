//! Turns what the workspace is built from into a verdict: nothing that `deny.toml` bans. (`make audit` checks licences and
//! advisories too, with cargo-deny; this part needs no network and runs every time.)

use std::{collections::BTreeSet, path::Path, process::Command};

/// The names of all crates that are compiled for the platforms that ship.
fn built() -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}", "--edges", "normal,build"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--target", "aarch64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn nothing_that_is_banned_is_built() {
    let deny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml");
    let deny = std::fs::read_to_string(deny).unwrap();
    let banned: Vec<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ name = \"")?.split('"').next()).collect();
    let built = built();
    assert!(banned.contains(&"serde_yaml") && built.contains("hyper"), "{banned:?}, {built:?}");
    for name in banned {
        assert!(!built.contains(name), "{name} is built: `cargo tree --workspace --invert {name}` says for whom");
    }
}
