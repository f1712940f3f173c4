//! HSMs, keys and key domains, in the original's JSON.

use countersign_simulator::Profile;
use serde_json::{Value, json};

use super::client::{Client, described, device, lock, path, with};
use crate::{pki, world::World};

#[tokio::test]
async fn what_is_open_is_listed_and_nothing_else() {
    let mut world = World::ready(Profile::VENDOR).await;
    let client = Client::doug(&world).await;
    let (hsm, domain) = device(&world).await;
    let ec = path(&world, "ec");
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
            assert_eq!(reply.refusal(), (404, "not-found"), "{path}");
        }
    };
    locked(&client).await;
    let id = world.ask_for_anything("ec", 600, 10).await;
    locked(&client).await;
    world.open(&id).await;

    let key = described(&world, "ec");
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
        &path(&world, "rsa"),
        "/keydomains/00",
        &format!("/keydomains/{domain}/keys/FF"),
        "/keys/FF",
        "/nothing",
        "/hsms/",
    ] {
        let reply = client.get(path).await;
        assert_eq!(reply.refusal(), (404, "not-found"), "{path}");
    }
    lock(&world, &id).await;
    locked(&client).await;
    world.app.shutdown().await;
}

/// Not in the original: what could be opened.
#[tokio::test]
async fn locked_hsms_and_keys_are_listed_for_those_who_ask() {
    let mut world = World::ready(Profile::VENDOR).await;
    let client = Client::doug(&world).await;
    let (hsm, domain) = device(&world).await;
    let key = |label, open: bool| {
        with(
            described(&world, label),
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
    let ec = path(&world, "ec");
    let one: Value = client.get(&format!("{ec}?state=all")).await.ok();
    assert_eq!(one, with(key("ec", false), json!({"hsms": [hsm]})));
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    assert_eq!(client.get("/hsms?state=all").await.ok(), open);
    assert_eq!(
        client.get("/keys?state=open").await.ok(),
        client.get("/keys").await.ok()
    );
    let nonsense = client.get("/keys?state=some").await;
    assert_eq!(nonsense.refusal(), (400, "invalid-request"));
    // The original looks at no parameter.
    assert_eq!(client.get("/hsms?x=1&format=json").await.ok()[0]["id"], hsm);
    world.app.shutdown().await;
}

#[tokio::test]
async fn an_x509_certificate_that_the_server_keeps_comes_first() {
    let mut world = World::ready(Profile::VENDOR).await;
    let client = Client::doug(&world).await;
    let public = super::client::public_key(&world, "ec");
    let der = pki::certificate_by_another(&public);
    let admin = crate::world::operator(&world.people[0].person);
    world
        .app
        .keys
        .put_certificate(&admin, true, &public.fingerprint(), der.clone())
        .await
        .expect("kept");
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    let key = client.get(&path(&world, "ec")).await.ok();
    assert_eq!(
        key["cert"],
        json!(countersign_protocol::encoding::Base64(der))
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn other_methods_are_refused_as_such() {
    let mut world = World::ready(Profile::VENDOR).await;
    let client = Client::doug(&world).await;
    let id = world.ask_for_anything("ec", 600, 10).await;
    world.open(&id).await;
    let (hsm, _) = device(&world).await;
    let ec = path(&world, "ec");
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
        assert_eq!(reply.refusal(), (405, "method-not-allowed"), "{path}");
        assert_eq!(reply.allow.as_deref(), Some(allow), "{method} {path}");
    }
    let unknown = client.send("POST", &format!("{ec}/decrypt"), None).await;
    assert_eq!(unknown.refusal(), (404, "not-found"));
    world.app.shutdown().await;
}
