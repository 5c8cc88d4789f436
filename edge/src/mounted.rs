//! The mounted configuration file, whenever it changes, into what is served while no operator says anything newer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_contract::EdgeConfig;

use crate::live::{Live, Phase};

/// How often the file is looked at. The kubelet itself takes up to a minute to bring a change.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reads and parses it; the reason is in words for the user.
pub fn read(path: &Path) -> Result<EdgeConfig, String> {
    let text = std::fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    parse(&text, path)
}

/// Serves the configuration that this pod was made for: where something is `mounted` in it that the newest one knows nothing of, the one
/// before, and the newest waits.
pub fn start(live: &Live, config: EdgeConfig, mounted: Option<&str>) -> Result<bool, String> {
    let older = config.before.as_ref().filter(|before| mounted != Some(&before.not_with));
    let Some(before) = older.map(|before| before.config.clone()) else { return live.take_mounted_config(config) };
    let is_taken = live.take_mounted_config(before)?;
    let lacks = live.lacks(&config);
    tracing::warn!(
        revision = config.revision,
        ?lacks,
        "the newest configuration waits, because this pod was made before it"
    );
    live.hold_mounted(&config, lacks);
    Ok(is_taken)
}

fn parse(text: &[u8], path: &Path) -> Result<EdgeConfig, String> {
    serde_json::from_slice(text).map_err(|error| format!("parsing {}: {error}", path.display()))
}

/// Takes every new content, until the edge has drained. A content that is refused is refused once; one that wants something mounted
/// which is not there waits for it.
///
/// The content is compared, not its time: a `ConfigMap` volume swaps a symbolic link, and the new file may well be older.
pub async fn follow(path: PathBuf, live: Live) {
    let mut seen = tokio::fs::read(&path).await.unwrap_or_default();
    while live.phase() < Phase::Drained {
        tokio::time::sleep(LOOK_EVERY).await;
        let Ok(text) = tokio::fs::read(&path).await else { continue };
        if text == seen {
            continue;
        }
        let parsed = parse(&text, &path);
        // Asked again until it is there, or another content is.
        if let Ok(config) = &parsed {
            let lacks = live.lacks(config);
            if !lacks.is_empty() {
                live.hold_mounted(config, lacks);
                continue;
            }
        }
        if let Err(error) = parsed.and_then(|config| live.take_mounted_config(config)) {
            tracing::error!(error, "the mounted configuration is refused; the one before it goes on serving");
        }
        seen = text;
    }
}
