//! Pages of other origins in the browser of a person who is logged in: neither the server nor the card helper listens to them.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use anyhow::Context;
use countersign_harness::{
    deployment::{Deployment, DeploymentSetup},
    pinentry::ScriptedPrompt,
};
use countersign_protocol::{about::HELPER_PATH, audit::AuditEvent};
use countersign_simulator::Profile;
use serde_json::json;

use super::{chromium::Chromium, portal::Portal};

const SCRIPT: &str = include_str!("foreign.js");

/// Serves an empty page on a port of its own, and returns the port.
fn serve_a_page() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            // The page is the same for every request. A failure shows in the browser.
            let _ = stream.read(&mut request);
            let page = "<!doctype html><title>Foreign</title>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
            let _ = write!(
                stream,
                "{head}\r\nContent-Length: {}\r\n\r\n{page}",
                page.len()
            );
        }
    });
    Ok(port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_reaches_neither_the_server_nor_the_helper() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::simulated(folder.path(), Profile::VENDOR)?;
    let script = setup.helper.config.join("scripted-pinentry.json");
    // The clients of the harness block.
    let deployment = tokio::task::block_in_place(|| Deployment::with_people(setup, &mut |_| ()))?;
    let portal = Portal {
        browser: Chromium::start(folder.path(), "foreign").await?,
        origin: deployment.origin(),
    };
    portal.log_in("Doug").await?;

    // From now on the person at the computer says no to everything.
    let says_no: ScriptedPrompt = serde_json::from_slice(&std::fs::read(&script)?)?;
    let says_no = ScriptedPrompt {
        consent: false,
        ..says_no
    };
    says_no.write(&script)?;
    let helper = format!("ws://127.0.0.1:{}{HELPER_PATH}", deployment.helper.port);
    let port = serve_a_page()?;
    // The first page is of the same site as the portal, so the browser adds the cookie to its requests. The second one is of another.
    for host in ["localhost", "127.0.0.1"] {
        let foreign = format!("http://{host}:{port}");
        portal.browser.open(&foreign).await?;
        let asked_before = deployment.helper.prompts().len();
        let arguments = vec![json!(portal.origin), json!(helper)];
        let outcome = portal.browser.run(SCRIPT, arguments).await?;
        let blocked = json!({
            "read": "blocked",
            "embed": "blocked",
            "change": "blocked",
            "end": "blocked",
            "events": "blocked",
            "helper": "blocked",
        });
        anyhow::ensure!(outcome == blocked, "{foreign}: {outcome}");
        let prompts = deployment.helper.prompts();
        let asked = prompts[asked_before..].first().context("no question")?;
        anyhow::ensure!(asked.text.contains(&foreign), "{}", asked.text);
    }

    // The session goes on, and nothing was changed with it.
    portal.browser.open(&portal.origin).await?;
    portal.browser.wait_for_text("whoami", "Doug").await?;
    let audit = tokio::task::block_in_place(|| deployment.anna().browser.audit(None, 100))?;
    let foreign = |event: &AuditEvent| matches!(event, AuditEvent::TokenCreated { label, .. } if label == "foreign");
    anyhow::ensure!(!audit.entries.iter().any(|entry| foreign(&entry.event)));
    portal.browser.stop().await
}
