//! Acts in the portal: nothing that lowers a guard happens without the cards of those who have to sign.

use std::path::Path;

use anyhow::Context;
use countersign_harness::{
    cards::{self, SO_PIN},
    deployment::{Deployment, DeploymentSetup, HSM},
    person::Person,
};
use countersign_protocol::{
    act::{ActState, ActView, NewAct},
    operator::{ConfirmKey, NewInvitation, Role},
};
use countersign_simulator::Profile;
use serde_json::{Value, json};

use super::{chromium::Chromium, portal::Portal};

/// Arguments: method, path and body of a request that the page's cookie authenticates, and the driver's callback.
const SEND: &str = "
    const [method, path, body, done] = arguments;
    fetch(path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })
        .then(async (answer) => done({ status: answer.status, body: await answer.json().catch(() => null) }));";

/// The second admin.
const ERIN: &str = "Erin";

fn deployment(folder: &Path) -> anyhow::Result<Deployment> {
    let mut setup = DeploymentSetup::simulated(folder, Profile::VENDOR)?;
    setup.helper.cards.push(cards::personal(folder, ERIN)?);
    Deployment::without_keys(setup, &mut |_| ())
}

/// Makes Erin a second admin.
fn second_admin(deployment: &Deployment) -> anyhow::Result<()> {
    let (anna, helper) = (deployment.anna(), &deployment.helper);
    let new = NewInvitation {
        name: ERIN.into(),
        mail: None,
        roles: vec![Role::Admin],
    };
    let link = anna.invite(helper, new)?.link;
    let cards = helper.connect(&deployment.origin())?.cards()?;
    let mut cards = cards.into_iter();
    let card = cards
        .find(|card| card.label == ERIN)
        .context("the helper does not list Erin's card")?;
    let browser = deployment.setup.server.client(None)?;
    let erin = Person::enrol(helper, browser, &link, &card.device)?;
    let confirm = NewAct::ConfirmKey(ConfirmKey {
        person: erin.operator.person.id.clone(),
        fingerprint: erin.key(),
    });
    anna.perform(helper, &confirm)?;
    Ok(())
}

fn pending(deployment: &Deployment) -> anyhow::Result<Vec<ActView>> {
    let mut acts = deployment.anna().browser.acts()?;
    acts.retain(|act| !act.state.has_ended());
    Ok(acts)
}

fn is_invited(deployment: &Deployment, name: &str) -> anyhow::Result<bool> {
    let invitations = deployment.anna().browser.invitations()?;
    Ok(invitations.iter().any(|invitation| invitation.name == name))
}

async fn send(portal: &Portal, method: &str, path: &str, body: Value) -> anyhow::Result<Value> {
    let arguments = vec![json!(method), json!(format!("/api/v1{path}")), body];
    portal.browser.run(SEND, arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_needs_the_card_and_not_only_the_session() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // The clients of the harness block.
    let deployment = tokio::task::block_in_place(|| deployment(folder.path()))?;
    let portal = Portal {
        browser: Chromium::start(folder.path(), "acts-card").await?,
        origin: deployment.origin(),
    };
    portal.log_in("Anna").await?;

    // Whoever has the cookie can propose, but not sign.
    let eve = json!({"type": "invite-person", "name": "Eve", "roles": ["admin"]});
    let proposed = send(&portal, "POST", "/acts", eve.clone()).await?;
    anyhow::ensure!(proposed["status"] == 201, "{proposed}");
    let id = proposed["body"]["act"]["terms"]["id"]
        .as_str()
        .context("an act has an id")?;
    let forged = json!({"statement": proposed["body"]["task"]});
    let signed = send(&portal, "POST", &format!("/acts/{id}/signatures"), forged).await?;
    anyhow::ensure!(signed["status"].as_u64() >= Some(400), "{signed}");
    let direct = send(&portal, "POST", "/invitations", eve).await?;
    anyhow::ensure!(direct["status"].as_u64() >= Some(400), "{direct}");
    anyhow::ensure!(!tokio::task::block_in_place(|| is_invited(
        &deployment,
        "Eve"
    ))?);

    // Anna finds it on the page and withdraws it.
    portal.browser.click("acts-nav").await?;
    let row = format!("[data-testid='act-{id}']");
    portal
        .browser
        .press(&format!("{row} [data-testid='act-withdraw']"))
        .await?;
    portal
        .browser
        .wait_for_count("[data-testid='act-withdraw']", 0)
        .await?;
    portal
        .browser
        .wait_for_text(&format!("act-{id}"), "withdrew")
        .await?;

    // Cancelling in the helper's window leaves nothing behind, and the form keeps what was typed.
    deployment.helper.set_consent(false)?;
    portal.go("people").await?;
    portal.browser.click("invite-open").await?;
    portal.browser.fill("invite-name", "Frank").await?;
    portal.browser.click("invite-submit").await?;
    portal.browser.find("problem").await?;
    tokio::task::block_in_place(|| {
        anyhow::ensure!(pending(&deployment)?.is_empty(), "an act is left");
        anyhow::ensure!(!is_invited(&deployment, "Frank")?);
        anyhow::Ok(())
    })?;
    // The same form works as soon as the card signs.
    let before = deployment.helper.prompts().len();
    deployment.helper.set_consent(true)?;
    portal.browser.click("invite-submit").await?;
    portal
        .browser
        .wait_for_text("invite-link", "/join#")
        .await?;
    let prompts = &deployment.helper.prompts()[before..];
    anyhow::ensure!(
        prompts.iter().any(|shown| shown.text.contains("Frank")),
        "the helper did not show the invitation: {prompts:?}"
    );
    anyhow::ensure!(tokio::task::block_in_place(|| is_invited(
        &deployment,
        "Frank"
    ))?);
    portal.browser.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hsm_is_erased_only_after_two_admins_have_signed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let deployment = tokio::task::block_in_place(|| {
        let deployment = deployment(folder.path())?;
        second_admin(&deployment)?;
        deployment.setup.server.deposit_so_pin(HSM, SO_PIN)?;
        anyhow::Ok(deployment)
    })?;
    let mut portal = Portal {
        browser: Chromium::start(folder.path(), "acts").await?,
        origin: deployment.origin(),
    };

    // Anna proposes and signs.
    portal.log_in("Anna").await?;
    portal.browser.click("acts-nav").await?;
    portal.browser.wait_for_text("act-state", "carried").await?;
    portal.browser.shoot("acts-none-pending").await?;
    portal.go("hsms").await?;
    portal.browser.click(&format!("hsm-{HSM}")).await?;
    portal.browser.wait_for_text("hsm-state", "locked").await?;
    portal.browser.click("hsm-initialise").await?;
    portal.browser.fill("init-required", "1").await?;
    portal.browser.fill("init-total", "2").await?;
    portal.browser.fill("init-label", HSM).await?;
    portal.browser.click("init-submit").await?;
    portal
        .browser
        .wait_for_text("act-awaiting", "one more admin")
        .await?;
    portal.browser.shoot("act-awaiting").await?;
    let [act] = tokio::task::block_in_place(|| pending(&deployment))?
        .try_into()
        .map_err(|acts| anyhow::anyhow!("one act is pending: {acts:?}"))?;
    anyhow::ensure!(act.state == ActState::AwaitingSignatures);
    let quorum = tokio::task::block_in_place(|| deployment.hsm())?.pka;
    anyhow::ensure!(quorum.is_some_and(|pka| pka.quorum.total == 3), "erased");
    // She cannot sign twice.
    portal.browser.click("acts-nav").await?;
    let id = &act.terms.id;
    portal.browser.find(&format!("act-{id}")).await?;
    portal
        .browser
        .wait_for_count("[data-testid='act-sign']", 0)
        .await?;
    portal.log_out().await?;

    // Erin finds it at home, and signs.
    portal.log_in(ERIN).await?;
    portal.browser.find(&format!("home-act-{id}")).await?;
    portal.browser.shoot("home-act").await?;
    portal.browser.click(&format!("home-act-{id}")).await?;
    portal
        .browser
        .wait_for_text("act-missing", "one more admin")
        .await?;
    portal.browser.shoot("acts").await?;
    portal.browser.click("act-sign").await?;
    portal
        .browser
        .wait_for_count("[data-testid='act-sign']", 0)
        .await?;
    portal
        .browser
        .wait_for_text(&format!("act-{id}"), "it was carried out")
        .await?;
    portal.browser.shoot("acts-ended").await?;
    let quorum = tokio::task::block_in_place(|| deployment.hsm())?.pka;
    anyhow::ensure!(
        quorum.is_some_and(|pka| pka.quorum.total == 2),
        "not erased: {quorum:?}"
    );
    portal.browser.stop().await
}
