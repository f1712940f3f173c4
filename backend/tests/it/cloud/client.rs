//! A client of `/se/api`, and the values that it expects.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header},
};
use countersign_card::KeyInfo;
use countersign_protocol::{
    activation::ActivationView,
    cvc::PublicKey,
    encoding::Base64,
    id::{ActivationId, TokenId},
    operator::Role,
    token::NewToken,
};
use countersign_server::activation::LockRequest;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::test_server::{DOUG, TestServer, confirm, hsm_id, operator};

/// A response.
pub struct Reply {
    pub status: StatusCode,
    pub media_type: String,
    pub allow: Option<String>,
    pub json: Value,
}

impl Reply {
    /// Last part of the problem's type; panics unless it is a problem with a detail.
    pub fn problem(&self) -> &str {
        assert_eq!(self.media_type, "application/problem+json");
        assert_eq!(self.json["status"], self.status.as_u16());
        assert!(!self.detail().is_empty());
        let problem_type = self.json["type"].as_str().expect("a type");
        problem_type.rsplit(':').next().expect("a code")
    }

    pub fn detail(&self) -> &str {
        self.json["detail"].as_str().expect("a detail")
    }

    /// Status and code of a problem.
    pub fn rejection(&self) -> (u16, &str) {
        (self.status.as_u16(), self.problem())
    }

    /// The body of a success.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        assert_eq!(self.media_type, "application/json");
        self.json
    }
}

/// A client program.
pub struct Client {
    router: Router,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    /// A client that sends these headers only.
    pub async fn with(test: &TestServer, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter();
        Self {
            router: crate::test_server::router(&test.server).await,
            headers: headers
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        }
    }

    /// A client with this person's token for these keys.
    pub async fn of(test: &TestServer, index: usize, keys: &[&str]) -> (Self, TokenId) {
        let owner = &test.people[index].person;
        let new = NewToken {
            certificate: None,
            label: "program".into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            days: 1,
        };
        let created = crate::test_server::create_token(&test.server, owner, &new)
            .await
            .expect("a token");
        let bearer = format!("Bearer {}", created.secret);
        let client = Self::with(test, &[("authorization", &bearer)]).await;
        (client, created.token.id)
    }

    /// A client with Doug's token for every key.
    pub async fn doug(test: &TestServer) -> Self {
        Self::of(test, DOUG, &[]).await.0
    }

    /// Adds a header.
    pub fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<String>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/se/api{path}"));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = body.map_or_else(Body::empty, Body::from);
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let (parts, body) = response.into_parts();
        let text = |name| {
            let value = parts.headers.get(name)?;
            Some(value.to_str().expect("text").to_owned())
        };
        let (media_type, allow) = (text(header::CONTENT_TYPE), text(header::ALLOW));
        let bytes = to_bytes(body, usize::MAX).await;
        Reply {
            status: parts.status,
            media_type: media_type.expect("a media type"),
            allow,
            json: serde_json::from_slice(&bytes.expect("a body")).expect("JSON"),
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await
    }

    /// `POST {key}/signhash`.
    pub async fn sign(&self, key: &str, algorithm: &str, hash: &[u8]) -> Reply {
        let body = json!({"hash": hex::encode(hash), "algo": algorithm});
        self.send("POST", &format!("{key}/signhash"), Some(body.to_string()))
            .await
    }
}

/// The device's description of the key with this label on the first HSM.
pub fn key(test: &TestServer, label: &str) -> KeyInfo {
    let device = test
        .server
        .hsms
        .get(&hsm_id())
        .expect("an HSM")
        .device()
        .expect("attached");
    let key = device.keys.iter().find(|key| key.label == label);
    key.expect("the key").clone()
}

pub fn public_key(test: &TestServer, label: &str) -> PublicKey {
    key(test, label).public_key.expect("a public key")
}

/// Path of the key with this label, whose id is its number on the device.
pub fn path(test: &TestServer, label: &str) -> String {
    format!("/keys/{:02X}", key(test, label).reference)
}

/// Path of the first HSM's device certificate, separated by dots, and the x coordinate of its key.
pub async fn device(test: &TestServer) -> (String, String) {
    let hsm = test.server.hsms.get(&hsm_id()).expect("an HSM");
    let device = hsm.device().expect("attached");
    let chain = device.verified.chain();
    let PublicKey::Ec(key) = device.verified.public_key() else {
        panic!("not an EC key");
    };
    let holder = |name: &countersign_protocol::cvc::Chr| name.holder().to_owned();
    let names = [
        holder(chain.issuer.car()),
        holder(chain.issuer.chr()),
        holder(chain.device.chr()),
    ];
    (names.join("."), hex::encode_upper(&key.point()[1..33]))
}

/// The fields of the key's JSON that are the same in all lists.
pub fn described(test: &TestServer, label: &str) -> Value {
    let info = key(test, label);
    let public = info.public_key.expect("a public key");
    json!({
        "id": format!("{:02X}", info.reference),
        "label": label,
        "type": if public.curve().is_some() { "EC" } else { "RSA" },
        "size": public.bits(),
        "cert": Base64(info.request.expect("a request").raw().to_vec()),
        "pubkey": Base64(public.to_spki_der()),
    })
}

/// Adds fields to a JSON object.
pub fn with(mut object: Value, more: Value) -> Value {
    let fields = object.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    object
}

/// Ends an activation as Doug.
pub async fn lock(test: &TestServer, id: &ActivationId) -> ActivationView {
    let person = test.doug().person.clone();
    let request = LockRequest {
        actor: operator(&person),
        person,
        is_admin: false,
    };
    let terms = test.view(id).await.terms;
    test.server
        .activations
        .lock(&terms, request)
        .await
        .expect("locked");
    test.view(id).await
}

/// Enrols and confirms another requester, and returns their index.
pub async fn another_requester(test: &mut TestServer) -> usize {
    let link = test.invite("Erin", Role::Requester).await;
    test.enrol(&link, "ERIN01").await;
    let admin = test.anna().person.clone();
    let erin = test.people.last().expect("Erin");
    confirm(
        &test.server,
        &admin,
        &erin.person.id,
        erin.card.fingerprint(),
    )
    .await
    .expect("confirmed");
    test.people.len() - 1
}
