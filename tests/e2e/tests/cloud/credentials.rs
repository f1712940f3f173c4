//! As whom curl calls: the only thing in which ways to authenticate differ.

use std::{fs, path::Path};

/// What curl is told about who is calling.
pub struct Credentials {
    /// Before the paths of the interface.
    pub base: String,
    /// Arguments of curl.
    pub arguments: Vec<String>,
}

impl Credentials {
    /// Nobody.
    pub fn none(origin: &str) -> Self {
        Self {
            base: format!("{origin}/se/api"),
            arguments: vec![],
        }
    }

    /// An API token, from a file: arguments are seen by everybody on the machine.
    pub fn token(origin: &str, folder: &Path, token: &str) -> anyhow::Result<Self> {
        let file = folder.join("authorization");
        fs::write(&file, format!("Authorization: Bearer {token}\n"))?;
        Ok(Self {
            arguments: vec!["--header".into(), format!("@{}", file.display())],
            ..Self::none(origin)
        })
    }
}
