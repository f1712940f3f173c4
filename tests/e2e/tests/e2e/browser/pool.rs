//! A key on two HSMs: custodians see both HSMs, consent once each, and follow the signatures.

use countersign_harness::{
    deployment::EC_KEY,
    pinentry::ShownPrompt,
    pool::{self, Pool},
};
use countersign_protocol::{
    activation::{ActivationState, Join, NewActivation, NewPurpose},
    digest::Sha256Digest,
    id::ActivationId,
    manifest::{Manifest, ManifestFile},
    mechanism::Mechanism,
    purpose::Scope,
    signature::SignRequest,
    token::NewToken,
};

use super::{chromium::Chromium, portal::Portal};

const HSMS: usize = 2;
const FILES: usize = 6;
/// Number of files that are signed before the page is opened.
const SIGNED_FIRST: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_consents_once_for_all_hsms_of_a_pool() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // The harness uses blocking clients.
    let pool = tokio::task::block_in_place(|| Pool::build(folder.path(), HSMS))?;
    let deployment = &pool.deployment;
    let id = tokio::task::block_in_place(|| request(&pool))?;
    let mut portal = Portal {
        browser: Chromium::start(folder.path(), "pool").await?,
        origin: deployment.origin(),
    };

    portal.log_in("Anna").await?;
    portal.go("home").await?;
    let waiting = "[data-testid^='waiting-']";
    portal.browser.wait_for_count(waiting, 1).await?;
    portal.browser.press(waiting).await?;
    members_are(&portal, "awaiting-approvals").await?;
    portal.browser.shoot("awaiting-approvals").await?;
    let before = deployment.helper.prompts().len();
    portal.browser.click("activation-authenticate").await?;
    portal.browser.find("answer-done").await?;
    portal
        .browser
        .wait_for_text("activation-count", "1 of 2")
        .await?;
    must_have_consented_once(&deployment.helper.prompts()[before..]);
    portal.browser.shoot("one-of-two").await?;
    portal.log_out().await?;

    portal.log_in("Carla").await?;
    portal.approve(None).await?;
    members_are(&portal, "open").await?;
    tokio::task::block_in_place(|| sign(&pool, &id, 0..SIGNED_FIRST))?;
    let signed = format!("{SIGNED_FIRST} of {FILES}");
    portal
        .browser
        .wait_for_text("activation-signatures", &signed)
        .await?;
    portal.browser.shoot("open").await?;
    portal.go("hsms").await?;
    for number in 0..HSMS {
        let hsm = format!("hsm-{}", pool::name(number));
        portal.browser.find(&hsm).await?;
    }
    portal.browser.shoot("hsms").await?;
    tokio::task::block_in_place(|| sign(&pool, &id, SIGNED_FIRST..FILES))?;
    portal
        .browser
        .open(&format!("{}/a/{id}", portal.origin))
        .await?;
    members_are(&portal, "ended").await?;
    portal.browser.shoot("ended").await?;
    portal.log_out().await?;

    portal.log_in("Doug").await?;
    portal.go("tokens").await?;
    portal.browser.find("token-open").await?;
    portal.browser.shoot("tokens").await?;
    portal.browser.stop().await
}

/// Doug creates a second token and requests signatures of files. Returns when both HSMs wait for approvals.
fn request(pool: &Pool) -> anyhow::Result<ActivationId> {
    let deployment = &pool.deployment;
    let new = NewToken {
        label: "nightly build of board 7".into(),
        keys: vec![EC_KEY.into()],
        days: 90,
        certificate: None,
    };
    deployment.doug().create_token(&deployment.helper, new)?;
    let files = Manifest::new((0..FILES).map(file).collect())?;
    let new = NewActivation {
        hsm: None,
        abandoned_after_seconds: None,
        purpose: NewPurpose::Sign {
            keys: vec![EC_KEY.into()],
            scope: Scope::Manifest { files },
        },
        reason: "Firmware 4.2.1 for board 7, as tested on Monday".into(),
        lease: None,
        approval_seconds: None,
        join: Join::SamePurpose,
    };
    let id = deployment
        .requester
        .request_activation(&new)?
        .activation
        .id();
    deployment.wait_for_activation(&id, |view| {
        let mut members = view.members.iter();
        view.members.len() == HSMS
            && members.all(|member| member.state == ActivationState::AwaitingApprovals)
    })?;
    Ok(id)
}

fn file(number: usize) -> ManifestFile {
    let name = format!("out/board7/image-{number}.bin");
    ManifestFile {
        digest: Sha256Digest::of(name.as_bytes()).into(),
        name,
    }
}

fn sign(pool: &Pool, id: &ActivationId, files: std::ops::Range<usize>) -> anyhow::Result<()> {
    for number in files {
        let digest = file(number).digest.as_bytes().to_vec();
        let request = SignRequest::new(Mechanism::EcdsaSha256, digest);
        pool.deployment.requester.sign(id, &request)?;
    }
    Ok(())
}

/// Waits until the page shows every HSM in this state.
async fn members_are(portal: &Portal, state: &str) -> anyhow::Result<()> {
    for number in 0..HSMS {
        let testid = format!("activation-member-{}", pool::name(number));
        let row = format!("[data-testid='{testid}'][data-state='{state}']");
        portal.browser.css(&row).await?;
    }
    let row = format!("[data-testid^='activation-member-'][data-state='{state}']");
    portal.browser.wait_for_count(&row, HSMS).await
}

/// One prompt names every HSM, and the PIN is requested once. The list of files is a second page of the same prompt.
fn must_have_consented_once(prompts: &[ShownPrompt]) {
    let names_all = |shown: &&ShownPrompt| {
        let mut hsms = (0..HSMS).map(pool::name);
        shown.command == "CONFIRM" && hsms.all(|hsm| shown.text.contains(hsm.as_str()))
    };
    assert_eq!(prompts.iter().filter(names_all).count(), 1, "{prompts:?}");
    let pins = prompts.iter().filter(|shown| shown.command == "GETPIN");
    assert_eq!(pins.count(), 1, "{prompts:?}");
}
