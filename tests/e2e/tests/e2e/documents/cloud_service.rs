//! docs/cloud-service.md: curl reads, requests an activation and signs.

use anyhow::{Context, ensure};
use countersign_client::ActivationFilter;
use countersign_harness::page::Page;
use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    purpose::NewKeyType,
};

use super::newcomer::Newcomer;

#[test]
fn curl_reads_requests_and_signs() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?.configured()?;
    let page = Page::read("docs/cloud-service.md")?;
    newcomer.shell.set("TOKEN", newcomer.token()?);
    let read = newcomer.shell.run_section(&page, "## Authentication")?;
    ensure!(read.stdout == "[]", "a key is open already: {read:?}");

    let scripts = page.scripts("## Sign")?;
    let [request, sign] = scripts.as_slice() else {
        anyhow::bail!("{} scripts instead of 2", scripts.len());
    };
    newcomer.shell.write("a.bin", "firmware")?;
    let printed = newcomer.shell.run(request)?;
    let requested: ActivationView =
        serde_json::from_str(&printed.stdout).context(printed.stdout)?;
    let id = requested.id();
    newcomer.deployment.wait_for_activation(&id, |view| {
        matches!(view.state, ActivationState::Open { .. })
    })?;
    newcomer.shell.run(sign)?.must_have("\"signature\":")?;

    let lock = page.code_span("countersign activation lock")?;
    newcomer.shell.run(&lock)?.must_have(&id.to_string())?;
    let active = newcomer
        .deployment
        .requester
        .activations(ActivationFilter::Active)?;
    ensure!(active.is_empty(), "the activation has not ended");
    Ok(())
}
