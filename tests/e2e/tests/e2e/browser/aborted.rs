//! A page whose requests are aborted, as happens whenever a visitor leaves it: the server works as before.

use countersign_harness::deployment::{Deployment, DeploymentSetup, HSM};
use countersign_protocol::{
    cvc::Fingerprint,
    id::ActivationId,
    lease::LeaseLimits,
    operator::{NewInvitation, Role},
};
use countersign_simulator::Profile;
use serde_json::{Value, json};

use super::{chromium::Chromium, portal::Portal};
use crate::crash;

/// How often each request is aborted.
const TIMES: u32 = 40;
const SCRIPT: &str = include_str!("aborted.js");

/// Writing requests of an admin's page. The number says how many of them, from the first, the server accepts.
fn requests(open: &ActivationId, key: &Fingerprint) -> (Vec<Value>, usize) {
    let request =
        |method: &str, path: &str, body: Value| json!([method, format!("/api/v1{path}"), body]);
    let allowed = vec![
        request("POST", "/session/challenge", Value::Null),
        request(
            "POST",
            "/acts",
            json!({"type": "invite-person", "name": "Guest", "roles": ["auditor"]}),
        ),
        request(
            "PUT",
            &format!("/keys/{key}/settings"),
            json!({"rawRsa": false}),
        ),
    ];
    let refused = vec![
        request("POST", "/bootstrap", json!({"code": "AAAA", "name": "Eve"})),
        request("POST", "/enrolment/open", json!({"code": "AAAA"})),
        request(
            "POST",
            "/acts/none/signatures",
            json!({"statement": {"payload": "", "payloadType": "", "signatures": []}}),
        ),
        request("DELETE", &format!("/hsms/{HSM}"), Value::Null),
        request("POST", &format!("/activations/{open}/task"), Value::Null),
        request(
            "POST",
            &format!("/activations/{open}/decline"),
            json!({"reason": "too late"}),
        ),
        request("DELETE", "/tokens/none", Value::Null),
    ];
    let count = allowed.len();
    (allowed.into_iter().chain(refused).collect(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_requests_of_a_page_leave_the_server_as_it_was() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let setup = DeploymentSetup::simulated(folder.path(), Profile::VENDOR)?;
    // The clients of the harness block.
    let (deployment, open, key) = tokio::task::block_in_place(|| {
        let deployment = Deployment::build(setup, &mut |_| ())?;
        let open = deployment.request_any_content(LeaseLimits {
            seconds: 600,
            signatures: 10,
        })?;
        deployment.approve(&open, [deployment.anna(), deployment.ben()])?;
        let key = deployment.hsm()?.keys[0].fingerprint;
        anyhow::Ok((deployment, open, key))
    })?;
    let portal = Portal {
        browser: Chromium::start(folder.path(), "aborted").await?,
        origin: deployment.origin(),
    };
    portal.log_in("Anna").await?;

    let (requests, allowed) = requests(&open, &key);
    let arguments = vec![json!(requests), json!(TIMES)];
    let outcome = portal.browser.run(SCRIPT, arguments).await?;
    anyhow::ensure!(
        outcome["aborted"].as_u64() > Some(TIMES.into()),
        "hardly anything was aborted: {outcome}"
    );
    // The statuses are those of the same requests without an abort.
    for (place, request) in requests.iter().enumerate() {
        let status = outcome["statuses"][place].as_u64().unwrap_or_default();
        let expected = if place < allowed { 200..300 } else { 400..500 };
        anyhow::ensure!(expected.contains(&status), "{request}: {status}");
    }

    tokio::task::block_in_place(|| {
        let new = NewInvitation {
            name: "Frank".into(),
            mail: None,
            roles: vec![Role::Requester],
        };
        deployment.anna().invite(&deployment.helper, new)?;
        crash::audit(&deployment)?;
        anyhow::ensure!(!deployment.requester.activation(&open)?.state.is_ended());
        anyhow::Ok(())
    })?;
    portal.browser.stop().await
}
