//! The session in the portal: the list of one's sessions, the end while a page is open, and what a page cannot do with it.

use countersign_harness::deployment::{Deployment, DeploymentSetup};
use countersign_simulator::Profile;
use serde_json::json;

use super::{chromium::Chromium, portal::Portal};

/// Ends all sessions of the person, as another browser of theirs would.
const END_ALL: &str = "const [done] = arguments;
    fetch('/api/v1/sessions', { method: 'DELETE' }).then((response) => done(response.status));";
/// Field types that could take a PIN.
const SECRET_FIELDS: &str =
    "input[type='password'], [autocomplete*='password'], [autocomplete='one-time-code']";

#[tokio::test(flavor = "multi_thread")]
async fn people_end_sessions_and_return_to_the_page_on_which_theirs_ended() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::simulated(folder.path(), Profile::VENDOR)?;
    // The clients of the harness block. They have logged in, so each person has a session already.
    let deployment = tokio::task::block_in_place(|| Deployment::with_people(setup, &mut |_| ()))?;
    let mut portal = Portal {
        browser: Chromium::start(folder.path(), "sessions").await?,
        origin: deployment.origin(),
    };
    portal.log_in("Anna").await?;
    let outcome = portal
        .browser
        .run(include_str!("confined.js"), vec![])
        .await?;
    let expected = json!({
        "plainText": true,
        "script": false,
        "image": false,
        "handler": false,
        "otherSite": false,
        "eval": false,
        "function": false,
        "timer": false,
        "scriptAddress": false,
        "inlineScript": false,
        "policy": false,
    });
    anyhow::ensure!(outcome == expected, "{outcome}");

    for page in [
        "home",
        "activations",
        "people",
        "hsms",
        "tokens",
        "audit",
        "sessions",
    ] {
        portal.go(page).await?;
        portal.browser.wait_for_count("main h1", 1).await?;
        let fields = portal.browser.all(SECRET_FIELDS).await?;
        anyhow::ensure!(fields.is_empty(), "{page} asks for a secret");
    }
    let rows = "[data-testid='session']";
    portal.browser.wait_for_count(rows, 2).await?;
    portal.browser.shoot("sessions").await?;
    portal.browser.click("session-end").await?;
    portal.browser.wait_for_count(rows, 1).await?;
    let ended = tokio::task::block_in_place(|| deployment.anna().browser.session());
    anyhow::ensure!(ended.is_err(), "the session in the other browser goes on");

    // The page notices the end by itself.
    portal.go("people").await?;
    portal.browser.find("invite-open").await?;
    let status = portal.browser.run(END_ALL, vec![]).await?;
    anyhow::ensure!(status == 204, "{status}");
    portal
        .browser
        .wait_for_text("session-ended", "ended")
        .await?;
    portal.browser.shoot("ended").await?;
    portal.log_in_here("Anna").await?;
    portal.browser.find("invite-open").await?;
    portal
        .browser
        .wait_for_count("[data-testid='session-ended']", 0)
        .await?;
    let url = portal.browser.url().await?;
    anyhow::ensure!(url.ends_with("/people"), "{url}");

    // A log-out of one's own needs no notice.
    portal.log_out().await?;
    portal
        .browser
        .wait_for_count("[data-testid='session-ended']", 0)
        .await?;
    portal.browser.stop().await
}
