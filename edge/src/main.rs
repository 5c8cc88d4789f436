//! Arguments into a running edge.

use clap::Parser;
use edge::settings::Settings;

fn main() {
    let _settings = Settings::parse();
}
