//! `cargo xtask dist`: what a package contains beside the programs.

use std::{fs, path::Path};

use anyhow::Context;

use crate::{
    book, build,
    run::{cargo, run},
    setup,
};

/// Folders and files of `packaging/` that are installed as they are.
const FILES: [&str; 5] = [
    "server.toml.example",
    "systemd",
    "sysusers.d",
    "tmpfiles.d",
    "polkit-1",
];

/// Writes manual pages, shell completions, service files and the book to `target/dist`.
///
/// # Errors
/// A program does not compile, or a file cannot be written.
pub fn run_task() -> anyhow::Result<()> {
    setup::for_programs()?;
    let folder = build::target()?.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    run(cargo([
        "run",
        "--quiet",
        "--package",
        "countersign-packaging",
        "--example",
        "manuals",
        "--",
    ])
    .arg(&folder))?;
    for name in FILES {
        copy(&Path::new("packaging").join(name), &folder.join(name))?;
    }
    eprintln!("dist: {}", folder.display());
    book::build()
}

/// Copies a file, or a folder with everything in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
