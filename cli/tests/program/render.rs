//! `kubefront render`: pairs of files, `NAME.in.yaml` into `NAME.out.yaml`. The first line of an input may hold more arguments.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::Folder;
use crate::process::{run, text};

/// Rewrites every `.out.yaml`.
const COMMAND: &str = "UPDATE=1 cargo test -p cli --test program render";

/// Where the pairs are.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

#[tokio::test]
async fn every_pair_renders_as_its_file_says() {
    let files = fs::read_dir(FOLDER).expect("is there").map(|file| file.expect("is read").path());
    let inputs: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(".in.yaml")).collect();
    assert!(inputs.len() >= 3, "{inputs:?}");
    let mut differing = Vec::new();
    for input in inputs {
        let expected = PathBuf::from(input.to_string_lossy().replace(".in.yaml", ".out.yaml"));
        let fresh = rendered(&input).await;
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &fresh).expect("is written");
        }
        if fs::read_to_string(&expected).unwrap_or_default() != fresh {
            differing.push(expected);
        }
    }
    assert!(differing.is_empty(), "look at these, and if they are right run `{COMMAND}`: {differing:#?}");
}

/// Output, complaints and exit status.
async fn rendered(input: &Path) -> String {
    let name = input.to_str().expect("is text");
    let content = fs::read_to_string(input).expect("is read");
    let more = content.lines().next().and_then(|line| line.strip_prefix("# kubefront render ")).unwrap_or_default();
    let mut arguments = vec!["render", "-f", name];
    arguments.extend(more.split_whitespace());
    let (one, again) = (run(&arguments).await, run(&arguments).await);
    assert_eq!(one.stdout, again.stdout, "rendering twice renders the same");
    let complaints = text(&one.stderr).replace(&format!("{FOLDER}/"), "");
    let status = one.status.code().expect("it ended by itself");
    let mut printed = format!("# Written by `{COMMAND}`: exit status {status}.\n");
    for line in complaints.lines() {
        writeln!(printed, "# {line}").expect("is written");
    }
    printed + text(&one.stdout)
}

#[tokio::test]
async fn json_is_one_value_for_programs() {
    let input = format!("{FOLDER}/service.in.yaml");
    let output = run(&["render", "-f", &input, "-o", "json", "--edge-config"]).await;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(value[0]["distribution"], "default/shop");
    assert_eq!(value[0]["edgeConfig"]["sites"][0]["name"], "default/shop");
    assert!(value[0].get("children").is_none(), "only what was asked for");
}

#[tokio::test]
async fn files_without_a_distribution_are_a_mistake() {
    let (_folder, file) = Folder::with("empty.yaml", "# nothing\n");
    let output = run(&["render", "-f", &file]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no Distribution in these files"));
    assert!(text(&output.stderr).contains("empty.yaml: warning: holds no object"));
    let folder = Folder::new();
    let output = run(&["render", "-f", folder.text()]).await;
    assert!(text(&output.stderr).contains("holds no .yaml, .yml or .json file"), "{}", text(&output.stderr));
}
