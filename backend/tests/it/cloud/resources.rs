//! HSMs, keys and key domains in the JSON of the cloud service.

use countersign_simulator::Profile;
use serde_json::{Value, json};

use super::client::{Client, described, device, lock, path, with};
use crate::{pki, test_server::TestServer};

#[tokio::test]
async fn only_open_hsms_and_keys_are_listed() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let (hsm, domain) = device(&test).await;
    let ec = path(&test, "ec");
    let all = ["/hsms", "/keys", "/keydomains"];
    let single = [
        format!("/hsms/{hsm}"),
        format!("/hsms/{hsm}/keys"),
        format!("/hsms/{hsm}{ec}"),
        format!("/keydomains/{domain}"),
        format!("/keydomains/{domain}/keys"),
        format!("/keydomains/{domain}{ec}"),
        ec.clone(),
    ];
    let locked = async |client: &Client| {
        for path in all {
            assert_eq!(client.get(path).await.ok(), json!([]), "{path}");
        }
        for path in &single {
            let reply = client.get(path).await;
            assert_eq!(reply.rejection(), (404, "not-found"), "{path}");
        }
    };
    locked(&client).await;
    let id = test.request_any_content("ec", 600, 10).await;
    locked(&client).await;
    test.open(&id).await;

    let key = described(&test, "ec");
    let of_hsm = with(key.clone(), json!({"keyDomain": domain}));
    let of_domain = with(key.clone(), json!({"hsms": [hsm]}));
    let anywhere = with(of_hsm.clone(), json!({"hsms": [hsm]}));
    let hsm_json = json!({
        "id": hsm,
        "defaultKeyDomain": domain,
        "keyDomains": [],
        "keys": [of_hsm],
    });
    let domain_json = json!({"id": domain, "hsms": [hsm], "keys": [of_domain]});
    for (path, expected) in [
        ("/hsms", &json!([hsm_json])),
        (&single[0], &hsm_json),
        (&single[1], &json!([of_hsm])),
        (&single[2], &of_hsm),
        ("/keydomains", &json!([domain_json])),
        (&single[3], &domain_json),
        (&single[4], &json!([of_domain])),
        (&single[5], &of_domain),
        ("/keys", &json!([anywhere])),
        (&single[6], &anywhere),
    ] {
        assert_eq!(&client.get(path).await.ok(), expected, "{path}");
    }
    for path in [
        "/hsms/nobody",
        &format!("/hsms/{hsm}/keys/FF"),
        &path(&test, "rsa"),
        "/keydomains/00",
        &format!("/keydomains/{domain}/keys/FF"),
        "/keys/FF",
        "/nothing",
        "/hsms/",
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.rejection(), (404, "not-found"), "{path}");
    }
    lock(&test, &id).await;
    locked(&client).await;
    test.shutdown().await;
}

/// The cloud service has no such list.
#[tokio::test]
async fn locked_hsms_and_keys_are_listed_on_request() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let (hsm, domain) = device(&test).await;
    let key = |label, open: bool| {
        with(
            described(&test, label),
            json!({"keyDomain": domain, "open": open}),
        )
    };
    let listed = |ec: bool| {
        json!([{
            "id": hsm,
            "defaultKeyDomain": domain,
            "keyDomains": [],
            "keys": [key("ec", ec), key("rsa", false)],
            "open": ec,
        }])
    };
    let (closed, open) = (listed(false), listed(true));
    assert_eq!(client.get("/hsms?state=all").await.ok(), closed);
    let ec = path(&test, "ec");
    let one: Value = client.get(&format!("{ec}?state=all")).await.ok();
    assert_eq!(one, with(key("ec", false), json!({"hsms": [hsm]})));
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    assert_eq!(client.get("/hsms?state=all").await.ok(), open);
    assert_eq!(
        client.get("/keys?state=open").await.ok(),
        client.get("/keys").await.ok()
    );
    let nonsense = client.get("/keys?state=some").await;
    assert_eq!(nonsense.rejection(), (400, "invalid-request"));
    // Unknown parameters are ignored, as in the cloud service.
    assert_eq!(client.get("/hsms?x=1&format=json").await.ok()[0]["id"], hsm);
    test.shutdown().await;
}

#[tokio::test]
async fn a_stored_x509_certificate_takes_precedence() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let public = super::client::public_key(&test, "ec");
    let der = pki::certificate_by_another(&public);
    let admin = crate::test_server::operator(&test.anna().person);
    test.server
        .keys
        .put_certificate(&admin, true, &public.fingerprint(), der.clone())
        .await
        .expect("kept");
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let key = client.get(&path(&test, "ec")).await.ok();
    assert_eq!(
        key["cert"],
        json!(countersign_protocol::encoding::Base64(der))
    );
    test.shutdown().await;
}

#[tokio::test]
async fn unsupported_methods_are_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let client = Client::doug(&test).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.open(&id).await;
    let (hsm, _) = device(&test).await;
    let ec = path(&test, "ec");
    for (method, path, allow) in [
        ("POST", "/hsms", "GET,HEAD"),
        ("DELETE", &format!("/hsms/{hsm}"), "GET,HEAD"),
        ("PUT", "/keys", "GET,HEAD"),
        ("PATCH", &ec, "GET,HEAD"),
        ("POST", "/keydomains", "GET,HEAD"),
        ("GET", &format!("{ec}/signhash"), "POST"),
        ("PUT", &format!("/hsms/{hsm}{ec}/signhash"), "POST"),
    ] {
        let reply = client.send(method, path, None).await;
        assert_eq!(reply.rejection(), (405, "method-not-allowed"), "{path}");
        assert_eq!(reply.allow.as_deref(), Some(allow), "{method} {path}");
    }
    let unknown = client.send("POST", &format!("{ec}/decrypt"), None).await;
    assert_eq!(unknown.rejection(), (404, "not-found"));
    test.shutdown().await;
}
