//! The files and folders that were named into their texts.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Texts by name; a file that cannot be read has the reason in their place.
pub type Texts = BTreeMap<Arc<str>, Result<Arc<str>, String>>;

/// What was named on the command line.
#[derive(Clone, Debug)]
pub struct Files {
    paths: Vec<PathBuf>,
    /// Standard input is read once.
    standard_input: Option<Result<Arc<str>, String>>,
}

/// What is read of a folder, as kubectl does.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The name that stands for standard input.
const STANDARD_INPUT: &str = "-";

impl Files {
    /// Files and folders, and `-` for standard input, which is read here.
    pub fn named(paths: &[PathBuf]) -> Self {
        let asks_for_input = paths.iter().any(|path| path.as_os_str() == STANDARD_INPUT);
        let standard_input = asks_for_input.then(|| {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text.into()).map_err(|error| error.to_string())
        });
        Self { paths: paths.to_vec(), standard_input }
    }

    /// All of them as they are now.
    pub fn read(&self) -> Texts {
        let mut texts = Texts::new();
        for path in &self.paths {
            let name: Arc<str> = path.to_string_lossy().into();
            match &self.standard_input {
                Some(text) if &*name == STANDARD_INPUT => drop(texts.insert("standard input".into(), text.clone())),
                _ if path.is_dir() => folder(path, &name, &mut texts),
                _ => drop(texts.insert(name, text(path))),
            }
        }
        texts
    }
}

/// Nothing at all, not even a comment: what a save leaves there that empties a file before it writes it.
pub fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// The files of a folder, without what lies deeper.
fn folder(path: &Path, name: &Arc<str>, texts: &mut Texts) {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return drop(texts.insert(Arc::clone(name), Err(format!("cannot be read: {error}")))),
    };
    let before = texts.len();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if EXTENSIONS.contains(&extension) && !is_hidden && !path.is_dir() {
            texts.insert(path.to_string_lossy().into(), text(&path));
        }
    }
    if texts.len() == before {
        texts.insert(Arc::clone(name), Err("holds no .yaml, .yml or .json file".into()));
    }
}

fn text(path: &Path) -> Result<Arc<str>, String> {
    std::fs::read_to_string(path).map(Into::into).map_err(|error| format!("cannot be read: {error}"))
}
