//! How curl authenticates. Only this module depends on the kind of credentials.

use std::{fs, path::Path};

pub struct Credentials {
    /// Prefix of the interface's paths.
    pub base: String,
    pub arguments: Vec<String>,
}

impl Credentials {
    /// No credentials.
    pub fn none(origin: &str) -> Self {
        Self {
            base: format!("{origin}/se/api"),
            arguments: vec![],
        }
    }

    /// An API token, which curl reads from a file because every user of the machine can see its arguments.
    pub fn token(origin: &str, folder: &Path, token: &str) -> anyhow::Result<Self> {
        let file = folder.join("authorization");
        fs::write(&file, format!("Authorization: Bearer {token}\n"))?;
        Ok(Self {
            arguments: vec!["--header".into(), format!("@{}", file.display())],
            ..Self::none(origin)
        })
    }
}
