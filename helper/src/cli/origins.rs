//! `countersign-helper origins`.

use super::ConfigArgs;
use crate::origin::{Origin, OriginBook};

pub(super) fn list(config: &ConfigArgs) -> anyhow::Result<()> {
    let known = OriginBook::new(&config.folder()?).list()?;
    if known.is_empty() {
        println!("no page is known yet");
    }
    for origin in known {
        let allowed = if origin.allowed {
            "always allowed"
        } else {
            "asked each time"
        };
        let key = match origin.server_key {
            Some(key) => format!("server key \"{}\"", key.words().join(" ")),
            None => "no server key yet".to_owned(),
        };
        println!(
            "{}  {allowed}, {key}, since {}",
            origin.origin,
            origin.since.strftime("%Y-%m-%d")
        );
        for page in &origin.attached_by {
            println!("    cards are attached to it whenever {page} wants it");
        }
    }
    Ok(())
}

pub(super) fn forget(config: &ConfigArgs, origin: &Origin) -> anyhow::Result<()> {
    anyhow::ensure!(
        OriginBook::new(&config.folder()?).forget(origin)?,
        "{origin} isn't known"
    );
    println!("forgotten: {origin}");
    Ok(())
}
