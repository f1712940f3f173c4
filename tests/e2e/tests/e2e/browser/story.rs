//! The whole story in the portal, from the first start to a locked HSM.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use countersign_harness::{
    cards::{self, SO_PIN},
    connector::Connector,
    deployment::{DeploymentSetup, HSM},
    files::{make, openssl_verify},
    program::built,
    server::Attachment,
};
use countersign_simulator::Profile;

use super::{chromium::Chromium, portal::Portal};

/// Issues a certificate for the key with a CA of its own.
fn issued_certificate(folder: &Path, key: &Path) -> anyhow::Result<String> {
    let openssl = |arguments: &str| -> anyhow::Result<()> {
        let output = std::process::Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=CA -keyout ca.key -out ca.pem")?;
    openssl(&format!(
        "x509 -new -subj /CN=Issued -days 2 -force_pubkey {} -signkey ca.key -out issued.pem",
        key.display()
    ))?;
    Ok(std::fs::read_to_string(folder.join("issued.pem"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_set_up_an_hsm_and_sign_in_the_portal() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let hsm = cards::signing_hsm(folder.path(), Profile::VENDOR)?;
    let setup = DeploymentSetup::with_hsm(folder.path(), Attachment::Simulator(hsm))?;
    let server = setup.server.start()?;
    let helper = setup.helper.start()?;
    let browser = Chromium::start(folder.path(), "story").await?;
    let mut portal = Portal {
        browser,
        origin: server.origin.clone(),
    };

    // The first admin.
    portal
        .browser
        .open(&format!("{}/setup", server.origin))
        .await?;
    portal.browser.find("setup-code").await?;
    portal.browser.shoot("setup").await?;
    let code = server
        .bootstrap_code
        .clone()
        .expect("a first start prints a code");
    portal.browser.fill("setup-code", &code).await?;
    portal.browser.fill("setup-name", "Anna").await?;
    portal.browser.click("setup-submit").await?;
    portal.join("Anna").await?;
    portal.browser.shoot("joined").await?;
    portal.log_in("Anna").await?;
    portal.browser.shoot("home-empty").await?;

    // Anna invites and confirms the others.
    for (name, role) in [
        ("Ben", "custodian"),
        ("Carla", "custodian"),
        ("Doug", "requester"),
    ] {
        let link = portal.invite(name, role).await?;
        portal.browser.shoot(&format!("invited-{name}")).await?;
        portal.browser.open(&link).await?;
        portal.join(name).await?;
        portal.browser.open(&server.origin).await?;
        portal.go("people").await?;
        portal
            .browser
            .press("[data-testid^='confirm-']:not([data-testid='confirm-submit'])")
            .await?;
        portal.browser.click("confirm-submit").await?;
        let waiting = "[data-testid^='confirm-']";
        portal.browser.wait_for_count(waiting, 0).await?;
    }
    portal.browser.shoot("people").await?;

    // Anna initialises the HSM with a quorum of 2 of 3.
    portal.go("hsms").await?;
    portal.browser.click(&format!("hsm-{HSM}")).await?;
    portal.browser.click("hsm-initialise").await?;
    portal.browser.fill("init-required", "2").await?;
    portal.browser.fill("init-total", "3").await?;
    portal.browser.fill("init-label", HSM).await?;
    portal.browser.shoot("hsm-initialise").await?;
    setup.server.deposit_so_pin(HSM, SO_PIN)?;
    portal.browser.click("init-submit").await?;
    for registered in 1..=3 {
        portal
            .browser
            .press("[data-testid^='hsm-register-']")
            .await?;
        portal
            .browser
            .wait_for_count("[data-testid^='hsm-custodian-']", registered)
            .await?;
    }
    portal.browser.wait_for_text("hsm-state", "locked").await?;

    // Anna requests a key, and Ben and Carla approve.
    portal.browser.click("genkey-open").await?;
    portal.browser.fill("genkey-label", "firmware").await?;
    portal
        .browser
        .fill("genkey-reason", "The key for firmware 4")
        .await?;
    portal.browser.click("genkey-submit").await?;
    portal
        .browser
        .wait_for_text("activation-state", "approvals")
        .await?;
    // Anna requested the key, so she cannot approve it.
    portal.browser.find("answer-own").await?;
    portal.go("home").await?;
    portal
        .browser
        .wait_for_count("[data-testid^='waiting-']", 0)
        .await?;
    portal.log_out().await?;
    portal.log_in("Ben").await?;
    portal.browser.shoot("home-waiting").await?;
    portal.approve(None).await?;
    portal
        .browser
        .wait_for_text("activation-count", "1 of 2")
        .await?;
    portal.log_out().await?;
    portal.log_in("Carla").await?;
    portal.approve_by_keyboard().await?;
    portal
        .browser
        .wait_for_text("activation-state", "ended")
        .await?;
    portal.go("hsms").await?;
    portal.browser.click(&format!("hsm-{HSM}")).await?;
    portal.browser.find("key-firmware").await?;
    portal.browser.shoot("hsm").await?;
    portal.log_out().await?;

    // Doug creates a token for his pipeline.
    portal.log_in("Doug").await?;
    portal.go("tokens").await?;
    portal.browser.click("token-open").await?;
    portal.browser.fill("token-label", "pipeline").await?;
    portal.browser.click("token-submit").await?;
    portal.browser.wait_for_text("token-secret", "cst_").await?;
    let token = portal.browser.text("token-secret").await?;
    portal.browser.shoot("token").await?;
    // An unfolded form stays unfolded when another token appears.
    portal
        .browser
        .press("[data-testid^='token-revoke-']")
        .await?;
    portal.browser.find("token-revoke-submit").await?;
    portal.browser.fill("token-label", "nightly").await?;
    portal.browser.click("token-submit").await?;
    let rows = "[data-testid^='token-']:has([data-testid^='token-revoke-'])";
    portal
        .browser
        .wait_for_count(&format!("li{rows}"), 2)
        .await?;
    portal.browser.find("token-revoke-submit").await?;
    portal.log_out().await?;
    let files = make(&folder.path().join("files"), 2)?;
    let cli = |arguments: &[&str]| -> anyhow::Result<std::process::Command> {
        let mut command = std::process::Command::new(built("countersign")?);
        command
            .args(["--server", &server.origin])
            .env("COUNTERSIGN_TOKEN", token.trim())
            .args(arguments)
            .stdin(Stdio::null());
        Ok(command)
    };
    let mut signing = cli(&["sign", "--key", "firmware", "--reason", "Firmware 4.2.1"])?
        .current_dir(folder.path().join("files"))
        .args(files.iter().filter_map(|file| file.file_name()))
        .spawn()?;

    // The pipeline requests signatures, and two custodians approve.
    portal.log_in("Anna").await?;
    portal
        .approve(Some("activation-awaiting-approvals"))
        .await?;
    portal
        .browser
        .wait_for_text("activation-count", "1 of 2")
        .await?;
    let id = portal.shown_activation().await?;
    portal.log_out().await?;
    portal.log_in("Carla").await?;
    portal.approve(Some("activation-one-of-two")).await?;
    portal
        .browser
        .wait_for_text("activation-state", "ended")
        .await?;
    portal
        .browser
        .wait_for_text("activation-signatures", "2 of 2")
        .await?;
    portal.browser.shoot("activation-ended").await?;
    assert!(signing.wait()?.success(), "the command line failed");
    let pem = folder.path().join("firmware.pem");
    std::fs::write(&pem, cli(&["keys", "--pem", "firmware"])?.output()?.stdout)?;
    for file in &files {
        openssl_verify(
            &pem,
            file,
            &PathBuf::from(format!("{}.sig", file.display())),
        )?;
    }

    // The receipt and the audit log show what happened.
    let receipt = portal.browser.find("activation-receipt").await?;
    assert!(receipt.is_displayed().await?);
    portal.go("audit").await?;
    for event in [
        "signed",
        "approved",
        "lease-opened",
        "activation-ended",
        "hsm-locked",
        "key-generated",
    ] {
        portal
            .browser
            .css(&format!(
                "[data-testid='audit-entry'][data-event='{event}']"
            ))
            .await?;
    }
    portal.browser.shoot("audit").await?;
    portal.log_out().await?;

    // The helper limits how much one page does in a minute, and a script is faster than people. A new helper counts anew.
    helper.program.terminate()?;
    let helper = setup.helper.start()?;

    // Doug requests any content, and Anna ends the activation with Lock now.
    portal.log_in("Doug").await?;
    portal.go("activations").await?;
    portal.browser.click("request-open").await?;
    portal
        .browser
        .fill("request-reason", "Signing by hand")
        .await?;
    portal.browser.click("request-scope-open").await?;
    portal.browser.fill("request-signatures", "5").await?;
    portal.browser.shoot("request").await?;
    portal.browser.click("request-submit").await?;
    portal
        .browser
        .wait_for_text("activation-state", "approvals")
        .await?;
    let by_hand = portal.shown_activation().await?;
    assert_ne!(id, by_hand);
    portal.log_out().await?;
    for (name, state) in [("Ben", "approvals"), ("Anna", "open")] {
        portal.log_in(name).await?;
        portal
            .approve((name == "Ben").then_some("activation-any-content"))
            .await?;
        portal
            .browser
            .wait_for_text("activation-state", state)
            .await?;
        if name == "Anna" {
            portal
                .browser
                .wait_for_text("activation-count", "2 of 2")
                .await?;
            portal.browser.shoot("activation-open").await?;
            portal.browser.click("activation-lock").await?;
            portal
                .browser
                .wait_for_text("activation-state", "ended")
                .await?;
            portal.browser.shoot("activation-locked").await?;
        } else {
            portal
                .browser
                .wait_for_text("activation-count", "1 of 2")
                .await?;
            portal.log_out().await?;
        }
    }
    portal.go("hsms").await?;
    portal.browser.click(&format!("hsm-{HSM}")).await?;
    portal.browser.wait_for_text("hsm-state", "locked").await?;

    // Anna saves a certificate that a CA issued for the key.
    let issued = issued_certificate(folder.path(), &pem)?;
    portal
        .browser
        .press("[data-testid='key-firmware'] summary")
        .await?;
    portal
        .browser
        .fill("certificate-pem-firmware", "not a certificate")
        .await?;
    portal.browser.click("certificate-keep-firmware").await?;
    portal.browser.find("problem").await?;
    portal
        .browser
        .fill("certificate-pem-firmware", &issued)
        .await?;
    portal.browser.click("certificate-keep-firmware").await?;
    portal
        .browser
        .wait_for_text("certificate-firmware", "CN=Issued")
        .await?;
    portal.browser.shoot("key-certificate").await?;

    // A remote HSM connects, is accepted and is removed.
    let remote = Connector::new(&cards::hsm(folder.path(), "HSM002", Profile::VENDOR)?);
    let device = remote.device()?;
    portal.go("hsms").await?;
    let connected = remote.start(&server.origin)?;
    portal.browser.find(&format!("device-{device}")).await?;
    portal.browser.shoot("hsms-waiting").await?;
    portal.browser.click("device-accept").await?;
    portal.browser.fill("device-name", "Not a name").await?;
    portal.browser.click("device-accept-submit").await?;
    portal.browser.find("problem").await?;
    portal.browser.shoot("device-accept").await?;
    portal.browser.fill("device-name", "remote").await?;
    // The form stays when another HSM connects while the name is typed.
    let next = Connector::new(&cards::hsm(folder.path(), "HSM003", Profile::VENDOR)?);
    let next_device = next.device()?;
    let next_connected = next.start(&server.origin)?;
    portal
        .browser
        .find(&format!("device-{next_device}"))
        .await?;
    portal.browser.click("device-accept-submit").await?;
    // The accepted device leaves the list above, and the click below must hit the right row all the same.
    portal
        .browser
        .wait_for_count(&format!("[data-testid='device-{device}']"), 0)
        .await?;
    portal.browser.click("hsm-remote").await?;
    portal
        .browser
        .wait_for_text("hsm-state", "uninitialised")
        .await?;
    portal.browser.shoot("hsm-remote").await?;
    portal.browser.click("hsm-withdraw").await?;
    portal.browser.click("hsm-withdraw-submit").await?;
    portal
        .browser
        .wait_for_count("[data-testid='hsm-remote']", 0)
        .await?;
    drop((connected, next_connected));

    // Without the helper the page says how to start it.
    portal.log_out().await?;
    helper.program.terminate()?;
    portal
        .browser
        .wait_for_text("helper-status", "helper")
        .await?;
    portal.browser.shoot("helper-missing").await?;
    portal.browser.stop().await
}
