//! The least Rust version (`rust-version` in Cargo.toml). Only one toolchain is needed to check it: cargo itself rejects a version
//! above the toolchain's, clippy's `incompatible_msrv` finds newer parts of the standard library, and this module finds
//! dependencies that need a newer version.

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::run::{cargo, describe};

/// Checks that no dependency needs a newer Rust than this workspace promises.
///
/// # Errors
/// A dependency needs a newer Rust; the message names it.
pub fn check() -> anyhow::Result<()> {
    let ours = Version::parse(env!("CARGO_PKG_RUST_VERSION")).context("rust-version")?;
    let mut command = cargo(["metadata", "--format-version", "1"]);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "`{}` failed: {}",
        describe(&command),
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let newer: Vec<_> = needing_newer(&metadata, ours).collect();
    ensure!(
        newer.is_empty(),
        "rust-version is {}, but some dependencies need a newer Rust: {}",
        env!("CARGO_PKG_RUST_VERSION"),
        newer.join(", ")
    );
    Ok(())
}

fn needing_newer(metadata: &Value, ours: Version) -> impl Iterator<Item = String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.filter_map(move |package| {
        let needed = package["rust_version"].as_str()?;
        (Version::parse(needed)? > ours)
            .then(|| format!("{} ({needed})", package["name"].as_str().unwrap_or("?")))
    })
}

/// Major, minor and patch version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut version = [0; 3];
        let mut parts = text.split('.');
        for (number, part) in version.iter_mut().zip(&mut parts) {
            *number = part.parse().ok()?;
        }
        parts.next().is_none().then_some(Self(version))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_dependencies_that_need_a_newer_rust_are_named() {
        let metadata = json!({"packages": [
            {"name": "older", "rust_version": "1.56"},
            {"name": "same", "rust_version": "1.90.0"},
            {"name": "newer", "rust_version": "1.90.1"},
            {"name": "unknown", "rust_version": null},
        ]});
        let ours = Version::parse("1.90").expect("a version");
        let found: Vec<_> = needing_newer(&metadata, ours).collect();
        assert_eq!(found, ["newer (1.90.1)"]);
    }
}
