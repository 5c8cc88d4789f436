//! The files of a crate into those that import each other in a circle: there is no order in which they could be read.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

/// Source files by the path of their module: `distribution::plan` is `distribution/plan.rs`.
pub type Files = BTreeMap<String, String>;

/// Every circle, each by its files. That a file has parts of its own which know it is none.
pub fn circles(files: &Files) -> BTreeSet<BTreeSet<String>> {
    let imports: BTreeMap<&str, _> =
        files.iter().map(|(file, text)| (file.as_str(), imports(file, text, files))).collect();
    let reached: BTreeMap<&str, _> = imports.keys().map(|file| (*file, reached(file, &imports))).collect();
    let circle = |file: &&str| {
        let others = reached[file].iter().filter(|other| reached[other.as_str()].contains(*file));
        others.cloned().collect::<BTreeSet<String>>()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty() && !is_one_with_its_parts(circle)).collect()
}

fn is_one_with_its_parts(circle: &BTreeSet<String>) -> bool {
    let is_part = |part: &String, whole: &String| part == whole || part.starts_with(&format!("{whole}::"));
    circle.iter().any(|whole| circle.iter().all(|part| is_part(part, whole)))
}

/// All that a file imports, and what that imports, and so on.
fn reached(from: &str, imports: &BTreeMap<&str, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(imports[file].iter().filter(|import| reached.insert((*import).clone())).map(String::as_str));
    }
    reached
}

/// The files that a file names: by `use`, by a path, or as a part of its own.
fn imports(file: &str, text: &str, files: &Files) -> BTreeSet<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let parts = code.iter().filter_map(|line| line.trim_end().strip_suffix(';')?.rsplit_once("mod "));
    let parts = parts.map(|(_, part)| format!("{file}::{part}"));
    let named = paths(&code.join("\n")).into_iter().filter_map(|path| in_crate(&path, file));
    let of_file = |path: String| {
        let mut fronts = successors(Some(path.as_str()), |path| path.rsplit_once("::").map(|(front, _)| front));
        fronts.find(|front| files.contains_key(*front)).map(str::to_owned)
    };
    named.chain(parts).filter_map(of_file).filter(|import| import != file).collect()
}

/// Every path in a text, `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn paths(text: &str) -> Vec<String> {
    let (mut found, mut fronts, mut path) = (Vec::new(), Vec::<String>::new(), String::new());
    for letter in text.chars() {
        match letter {
            '{' if path.ends_with("::") => fronts.push(path.clone()),
            ':' | '_' => path.push(letter),
            letter if letter.is_alphanumeric() => path.push(letter),
            letter => {
                found.push(std::mem::take(&mut path));
                if letter == '}' {
                    fronts.pop();
                }
                path.extend(fronts.last().cloned());
            }
        }
    }
    found
}

/// A path as it is from the root of its crate; nothing for one into another crate.
fn in_crate(path: &str, file: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix("crate::") {
        return Some(path.to_owned());
    }
    let (mut whole, mut rest) = (file, path.strip_prefix("super::")?);
    loop {
        whole = whole.rsplit_once("::").map_or("", |(whole, _)| whole);
        let Some(further) = rest.strip_prefix("super::") else {
            return Some(format!("{whole}::{rest}").trim_start_matches(':').to_owned());
        };
        rest = further;
    }
}

#[test]
fn a_circle_is_found_however_its_imports_are_written() {
    let files =
        |all: &[(&str, &str)]| all.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    let open = [("a", "use crate::{b::{self, B}, d::D};"), ("b", "fn f() { super::c::g() }"), ("d", "// crate::a")];
    let parts = [("c", "pub mod part;"), ("c::part", "use super::C;")];
    let sound = files(&[&open[..], &parts].concat());
    assert_eq!(circles(&sound), BTreeSet::new());
    let parts = [("c", "pub mod part;"), ("c::part", "use super::super::a::A;")];
    let circle = ["a", "b", "c", "c::part"].map(str::to_owned).into();
    assert_eq!(circles(&files(&[&open[..], &parts].concat())), BTreeSet::from([circle]));
}
