//! `countersign-helper origins`.

use countersign_protocol::words;

use super::ConfigArgs;
use crate::origin::{Origin, OriginStore};

pub(super) fn list(config: &ConfigArgs) -> anyhow::Result<()> {
    let known = OriginStore::new(&config.directory()?).list()?;
    if known.is_empty() {
        println!("No origins yet. The helper asks when a page connects for the first time.");
    }
    for origin in known {
        let allowed = if origin.allowed {
            "always allowed"
        } else {
            "asks each time"
        };
        let key = match origin.server_key {
            Some(key) => format!("server key \"{}\"", words::of_server_key(&key)),
            None => "no server key yet".to_owned(),
        };
        println!(
            "{}  {allowed}, {key}, since {}",
            origin.origin,
            origin.since.strftime("%Y-%m-%d")
        );
        for hsm in &origin.approved_hsms {
            println!("    you have approved requests for HSM {hsm}");
        }
        for page in &origin.attached_by {
            println!("    always attaches a card when {page} requests it");
        }
    }
    Ok(())
}

pub(super) fn forget(config: &ConfigArgs, origin: &Origin) -> anyhow::Result<()> {
    anyhow::ensure!(
        OriginStore::new(&config.directory()?).forget(origin)?,
        "unknown origin {origin}: `countersign-helper origins` lists all origins"
    );
    println!("forgot {origin}: its permissions are revoked and its server key is deleted");
    Ok(())
}
