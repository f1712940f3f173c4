//! Writes the manual pages and shell completions of all programs into a folder: `cargo xtask dist`.

use std::path::PathBuf;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .context("the first argument must name the folder to write to")?
        .into();
    countersign_packaging::write_manuals(&folder)
        .with_context(|| format!("cannot write to {}", folder.display()))
}
