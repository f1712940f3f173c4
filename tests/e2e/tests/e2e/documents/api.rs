//! The example of docs/api.md: a program requests, polls, signs and locks.

use anyhow::{Context, ensure};
use countersign_harness::{files::openssl_verify, page::Page};
use countersign_protocol::{encoding::Base64, purpose::NewKeyType};
use serde_json::Value;

use super::newcomer::{Newcomer, SERVER};

const HEADING: &str = "## An example";
/// The activation of all documents.
const ID: &str = "8K3F-92QD";
/// The content whose digest the example shows.
const CONTENT: &str = "test";

/// The paths of the example's POST requests, in their order.
fn posts(page: &Page) -> anyhow::Result<Vec<String>> {
    let prose = page.prose(HEADING)?;
    let posts = prose.split("POST `").skip(1);
    let paths = posts.filter_map(|rest| rest.split_once('`'));
    Ok(paths.map(|(path, _)| path.to_owned()).collect())
}

#[test]
fn the_example_requests_polls_and_signs() -> anyhow::Result<()> {
    let mut newcomer = Newcomer::with_key(NewKeyType::EcSecp256r1)?;
    let page = Page::read("docs/api.md")?;
    newcomer.write_authorization()?;
    let bodies = page.files(HEADING, "json")?;
    let paths = posts(&page)?;
    let ([new, signature], [request, sign, lock]) = (bodies.as_slice(), paths.as_slice()) else {
        anyhow::bail!("{} bodies, requests {paths:?}", bodies.len());
    };
    let post = |newcomer: &Newcomer, path: &str, options: &str| -> anyhow::Result<Value> {
        let script = format!(
            "curl --silent --show-error --fail-with-body --header @authorization {options} {SERVER}/api/v1{path}"
        );
        let printed = newcomer.shell.run(&script)?;
        serde_json::from_str(&printed.stdout).context(printed.stdout)
    };

    newcomer.shell.write("new.json", new)?;
    let requested = post(&newcomer, request, "--json @new.json")?;
    let id = requested["terms"]["id"]
        .as_str()
        .context("an id")?
        .to_owned();
    newcomer.shell.replace(ID, &id);

    let poll = page.script(HEADING)?;
    let mut view = requested;
    while view["state"]["type"] != "open" {
        let revision = view["revision"].as_u64().context("a revision")?;
        let poll = poll.replace("after=1&", &format!("after={revision}&"));
        let printed = newcomer.shell.run(&poll)?;
        view = serde_json::from_str(&printed.stdout).context(printed.stdout)?;
        ensure!(view["state"]["type"] != "ended", "{view}");
    }

    newcomer.shell.write("signature.json", signature)?;
    let options = "--header 'Idempotency-Key: a value' --json @signature.json";
    let signed = post(&newcomer, sign, options)?;
    let again = post(&newcomer, sign, options)?;
    ensure!(signed == again, "{signed} and {again}");
    let signature: Base64 = serde_json::from_value(signed["signature"].clone())?;
    std::fs::write(newcomer.shell.path("signature"), signature.as_bytes())?;
    newcomer.shell.write("content", CONTENT)?;
    let key = newcomer.deployment.requester.keys()?.remove(0);
    newcomer
        .shell
        .write("key.pem", &key.public_key.to_spki_pem())?;
    openssl_verify(
        &newcomer.shell.path("key.pem"),
        &newcomer.shell.path("content"),
        &newcomer.shell.path("signature"),
    )?;
    newcomer
        .deployment
        .wait_for_activation(&id.parse()?, |view| view.state.is_ended())
        .context("the activation is not completed")?;

    // The fourth request is for activations that are not completed.
    let open = newcomer.open("another reason")?;
    newcomer.shell.replace(&id, open.to_string());
    let locked = post(&newcomer, lock, "--request POST")?;
    ensure!(locked["state"]["type"] == "ended", "{locked}");
    Ok(())
}
