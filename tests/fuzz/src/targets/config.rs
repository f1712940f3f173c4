//! Configuration files of the server and of clients.

use std::{io::Write, path::Path};

use countersign_client::{Overrides, Settings};
use countersign_domain::config::{ConfigFile, check_hsm_id};

/// A configuration file is accepted, or an error says why not.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(file) = toml::from_str::<ConfigFile>(text) {
        let _ = file.lease.check_defaults();
        for hsm in &file.hsms {
            let _ = check_hsm_id(&hsm.id);
        }
    }
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("room for the file");
    let overrides = Overrides {
        config: Some(file.path().to_owned()),
        ..Overrides::default()
    };
    let _ = Settings::load_from(&overrides, &|_| None);
}

pub fn seeds() -> Vec<Vec<u8>> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/server.toml.example");
    let server = std::fs::read(example).unwrap_or_default();
    let uncommented: Vec<u8> = String::from_utf8_lossy(&server)
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .or(line.strip_prefix('#'))
                .unwrap_or(line)
        })
        .filter(|line| line.starts_with('[') || line.contains(" = "))
        .flat_map(|line| format!("{line}\n").into_bytes())
        .collect();
    let client = b"server = \"https://sign.example.org\"\ntoken = \"not-a-token\"\n\
        allow_plain_http = false\nca_file = \"/etc/ssl/ca.pem\"\n\
        [activation]\nreason = \"Nightly\"\nsignatures = 10\n"
        .to_vec();
    vec![server, uncommented, client]
}
