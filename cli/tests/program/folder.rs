//! A folder of this test's own, and nothing there once it is dropped.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder for manifests.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kubefront-cli-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("is made");
        Self(path)
    }

    /// A folder with one file, and that file's path.
    pub fn with(name: &str, text: &str) -> (Self, String) {
        let folder = Self::new();
        folder.put(name, text);
        let path = folder.path(name);
        (folder, path)
    }

    /// Puts a file there as editors do: written beside it, then renamed over it.
    pub fn put(&self, name: &str, text: &str) {
        let beside = self.0.join(format!(".{name}.swp"));
        std::fs::write(&beside, text).expect("is written");
        std::fs::rename(beside, self.0.join(name)).expect("is renamed");
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.0.join(name)).expect("is there");
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("is text").to_owned()
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
