//! `cargo xtask book`: the documentation as a book of HTML pages.

use std::process::Command;

use crate::{
    build,
    run::{run, succeeds},
};

/// Builds `docs/` with mdBook, if mdBook is installed.
///
/// # Errors
/// A page cannot be read, or mdBook refuses a page.
pub fn build() -> anyhow::Result<()> {
    if !succeeds("mdbook", &["--version"]) {
        eprintln!(
            "mdBook is not installed: `cargo install --locked --no-default-features --features search mdbook` adds this step"
        );
        return Ok(());
    }
    let folder = build::target()?.join("book");
    run(Command::new("mdbook")
        .args(["build", "docs", "--dest-dir"])
        .arg(&folder))?;
    eprintln!("book: {}", folder.join("index.html").display());
    Ok(())
}
