//! Every route that writes, in one table.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, header},
};
use countersign_protocol::{
    act::{NewAct, SignedAct},
    activation::{ActivationState, Decline, NewActivation},
    cvc::Fingerprint,
    digest::Sha256Digest,
    encoding::Base64,
    hsm::{KeySettings, NewCertificate},
    id::{ActId, ActivationId, OperatorId},
    mechanism::Mechanism,
    operator::{Bootstrap, Enrolment, NewInvitation, OpenInvitation, Role},
    session::{LogIn, LoginChallenge},
    signature::SignRequest,
    token::NewToken,
};
use countersign_server::http::routes::access::TABLE;
use serde::Serialize;

use crate::{
    cloud::client::{device, key, lock, public_key},
    http::{json, send},
    pki,
    test_server::{ANNA, BEN, CARLA, DOUG, TestServer, anything, create_token, hsm_id, router},
    tls::server::token_for,
};

/// Attempts at each route. The setting holds as many tokens, invitations and activations to be used up.
pub const ATTEMPTS: usize = 48;

/// The caller of a request.
#[derive(Clone, Copy)]
pub enum As {
    Anonymous,
    /// A person with a session.
    Person(usize),
    /// A program with Doug's token.
    Program,
    /// Doug, in a session that the attempt ends.
    LeavingPerson,
}

/// A route that writes.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub caller: As,
    /// The parameters of the path and the body for an attempt.
    fill: fn(&Setting, usize) -> (Vec<String>, String),
}

/// Anna is an admin, Carla a custodian, Doug a requester.
const ADMIN: As = As::Person(ANNA);
const CUSTODIAN: As = As::Person(CARLA);
const REQUESTER: As = As::Person(DOUG);

pub const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/api/v1/bootstrap",
        caller: As::Anonymous,
        fill: |_, number| {
            let bootstrap = Bootstrap {
                code: "AAAA-BBBB-CCCC-DDDD".into(),
                name: format!("Mallory {number}"),
                mail: None,
            };
            (vec![], text(&bootstrap))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/enrolment/open",
        caller: As::Anonymous,
        fill: |setting, _| {
            let code = setting.invitation_code.clone();
            (vec![], text(&OpenInvitation { code }))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/enrolment",
        caller: As::Anonymous,
        fill: |setting, _| {
            let enrolment = Enrolment {
                code: setting.invitation_code.clone(),
                pka: Base64(vec![0x67, 0x00]),
                statement: None,
            };
            (vec![], text(&enrolment))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/operators/{id}/revoke",
        caller: ADMIN,
        fill: |setting, _| (vec![setting.newcomer.0.to_string()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/acts",
        caller: ADMIN,
        fill: |_, number| {
            let invitation = NewInvitation {
                name: format!("Guest {number}"),
                mail: None,
                roles: vec![Role::Auditor],
            };
            (vec![], text(&NewAct::InvitePerson(invitation)))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/acts/{id}/task",
        caller: REQUESTER,
        fill: |setting, number| (vec![setting.acts[number].to_string()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/acts/{id}/signatures",
        caller: ADMIN,
        fill: |setting, _| {
            let (id, signed) = &setting.used_act;
            (vec![id.to_string()], text(signed))
        },
    },
    Route {
        method: "DELETE",
        path: "/api/v1/acts/{id}",
        caller: REQUESTER,
        fill: |setting, number| (vec![setting.acts[number].to_string()], String::new()),
    },
    Route {
        method: "DELETE",
        path: "/api/v1/invitations/{id}",
        caller: ADMIN,
        fill: |setting, number| (vec![setting.invitations[number].clone()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/session/challenge",
        caller: As::Anonymous,
        fill: nothing,
    },
    Route {
        method: "POST",
        path: "/api/v1/session",
        caller: As::Anonymous,
        fill: |setting, _| (vec![], setting.used_log_in.clone()),
    },
    Route {
        method: "DELETE",
        path: "/api/v1/session",
        caller: As::LeavingPerson,
        fill: nothing,
    },
    Route {
        method: "DELETE",
        path: "/api/v1/sessions",
        // No other route needs a session of Ben.
        caller: As::Person(BEN),
        fill: nothing,
    },
    Route {
        method: "DELETE",
        path: "/api/v1/sessions/{id}",
        caller: REQUESTER,
        fill: |_, number| (vec![format!("none-{number}")], String::new()),
    },
    Route {
        method: "DELETE",
        path: "/api/v1/tokens/{id}",
        caller: REQUESTER,
        fill: |setting, number| (vec![setting.tokens[number].clone()], String::new()),
    },
    Route {
        method: "DELETE",
        path: "/api/v1/hsms/{id}",
        caller: ADMIN,
        fill: |_, _| (vec![hsm_id().to_string()], String::new()),
    },
    Route {
        method: "DELETE",
        path: "/api/v1/hsms/{id}/quarantine",
        caller: ADMIN,
        fill: |_, _| (vec![hsm_id().to_string()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/devices/{device}/decline",
        caller: ADMIN,
        fill: |_, _| (vec![DEVICE.into()], String::new()),
    },
    Route {
        method: "PUT",
        path: "/api/v1/keys/{fingerprint}/certificate",
        caller: ADMIN,
        fill: |setting, _| {
            let der = Base64(setting.certificate.clone());
            (vec![setting.ec.to_hex()], text(&NewCertificate { der }))
        },
    },
    Route {
        method: "DELETE",
        path: "/api/v1/keys/{fingerprint}/certificate",
        caller: ADMIN,
        fill: |setting, _| (vec![setting.ec.to_hex()], String::new()),
    },
    Route {
        method: "PUT",
        path: "/api/v1/keys/{fingerprint}/settings",
        caller: ADMIN,
        fill: |setting, _| {
            let settings = KeySettings { raw_rsa: false };
            (vec![setting.rsa.to_hex()], text(&settings))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/activations",
        caller: As::Program,
        fill: |_, number| (vec![], new_activation(&format!("hung up {number}"))),
    },
    Route {
        method: "POST",
        path: "/api/v1/activations/{id}/task",
        caller: CUSTODIAN,
        fill: |setting, _| (vec![setting.open.to_string()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/activations/{id}/approvals",
        caller: CUSTODIAN,
        fill: |setting, _| {
            let body = setting.used_approval.clone();
            (vec![setting.open.to_string()], body)
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/activations/{id}/decline",
        caller: CUSTODIAN,
        fill: |setting, number| {
            let decline = Decline {
                reason: format!("not now, {number}"),
            };
            (vec![setting.queued.to_string()], text(&decline))
        },
    },
    Route {
        method: "POST",
        path: "/api/v1/activations/{id}/lock",
        caller: REQUESTER,
        fill: |setting, number| (vec![setting.activations[number].clone()], String::new()),
    },
    Route {
        method: "POST",
        path: "/api/v1/activations/{id}/signatures",
        caller: As::Program,
        fill: |setting, number| (vec![setting.open.to_string()], sign_request(number)),
    },
    Route {
        method: "POST",
        path: "/se/api/hsms/{hsm}/keys/{key}/signhash",
        caller: As::Program,
        fill: |setting, number| {
            let values = vec![setting.cloud_hsm.clone(), setting.cloud_key.clone()];
            (values, signhash(number))
        },
    },
    Route {
        method: "POST",
        path: "/se/api/keydomains/{domain}/keys/{key}/signhash",
        caller: As::Program,
        fill: |setting, number| {
            let values = vec![setting.cloud_domain.clone(), setting.cloud_key.clone()];
            (values, signhash(number))
        },
    },
    Route {
        method: "POST",
        path: "/se/api/keys/{key}/signhash",
        caller: As::Program,
        fill: |setting, number| (vec![setting.cloud_key.clone()], signhash(number)),
    },
    Route {
        method: "POST",
        path: "/rt/hsm",
        caller: As::Anonymous,
        fill: |_, _| (vec![], "no message".into()),
    },
    Route {
        method: "POST",
        path: "/rt/hsm/{token}",
        caller: As::Anonymous,
        fill: |_, _| (vec!["token".into()], "no message".into()),
    },
];

/// Number of the next idempotency key.
static NEXT_KEY: AtomicUsize = AtomicUsize::new(0);

/// A device that never attached.
const DEVICE: &str = "ZZSIMOTHER100001";

fn nothing(_: &Setting, _: usize) -> (Vec<String>, String) {
    (vec![], String::new())
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("JSON")
}

/// An invitation that Anna has signed, with her signature.
async fn used_act(test: &mut TestServer) -> (ActId, SignedAct) {
    let act = NewAct::InvitePerson(NewInvitation {
        name: "Grace".into(),
        mail: None,
        roles: vec![Role::Auditor],
    });
    let proposed = test.propose(ANNA, act).await.expect("proposed");
    let id = proposed.act.terms.id;
    let statement = test.anna_mut().card.sign_act(&proposed.task);
    let signer = test.signer(ANNA);
    let signed = test.server.acts.sign(signer, id.clone(), statement.clone());
    signed.await.expect("signed");
    (id, SignedAct { statement })
}

fn new_token(number: usize) -> NewToken {
    NewToken {
        label: format!("pipeline {number}"),
        keys: vec![],
        days: 1,
        certificate: None,
    }
}

fn new_activation(reason: &str) -> String {
    text(&NewActivation {
        reason: reason.into(),
        ..anything()
    })
}

fn sign_request(number: usize) -> String {
    let digest = Sha256Digest::of(&number.to_be_bytes());
    text(&SignRequest::new(
        Mechanism::EcdsaSha256,
        digest.as_bytes().to_vec(),
    ))
}

fn signhash(number: usize) -> String {
    let digest = Sha256Digest::of(&number.to_be_bytes());
    let hash = hex::encode(digest.as_bytes());
    serde_json::json!({"hash": hash, "algo": "ECDSA"}).to_string()
}

/// Everything that the requests refer to: an open lease, a queued request, and objects to be used up.
pub struct Setting {
    origin: String,
    cookies: Vec<String>,
    leaving: Vec<String>,
    bearer: String,
    pub open: ActivationId,
    queued: ActivationId,
    ec: Fingerprint,
    rsa: Fingerprint,
    certificate: Vec<u8>,
    newcomer: (OperatorId, Fingerprint),
    invitation_code: String,
    invitations: Vec<String>,
    tokens: Vec<String>,
    /// Proposed tokens of Doug.
    acts: Vec<ActId>,
    /// An act that Anna signed.
    used_act: (ActId, SignedAct),
    activations: Vec<String>,
    used_log_in: String,
    used_approval: String,
    cloud_hsm: String,
    cloud_domain: String,
    cloud_key: String,
}

impl Setting {
    /// Prepares a test server whose HSM is ready.
    pub async fn of(test: &mut TestServer) -> Self {
        let router = router(&test.server).await;
        let mut cookies = Vec::new();
        for index in [ANNA, BEN, CARLA, DOUG] {
            cookies.push(log_in(test, &router, index).await.0);
        }
        let mut leaving = Vec::new();
        for _ in 0..ATTEMPTS / 8 {
            leaving.push(log_in(test, &router, DOUG).await.0);
        }
        let (_, used_log_in) = log_in(test, &router, BEN).await;
        let used_approval = {
            let id = test.request_signatures("ec", &["approved once"]).await;
            test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
                .await;
            let task = test.task(CARLA, &id).await.expect("a task");
            let signed = text(&test.carla_mut().approve(&task));
            lock(test, &id).await;
            signed
        };
        let open = test.request_any_content("ec", 3600, 10_000).await;
        test.open(&open).await;
        let queued = test.request_signatures("rsa", &["queued"]).await;
        let mut activations = Vec::new();
        for number in 0..ATTEMPTS {
            let name = format!("cancelled {number}");
            activations.push(test.request_signatures("rsa", &[&name]).await.to_string());
        }
        let doug = test.doug().person.clone();
        let mut tokens = Vec::new();
        let mut acts = Vec::new();
        for number in 0..ATTEMPTS {
            let new = new_token(number);
            let created = create_token(&test.server, &doug, &new).await;
            tokens.push(created.expect("a token").token.id.to_string());
            let proposed = test.propose(DOUG, NewAct::CreateToken(new)).await;
            acts.push(proposed.expect("proposed").act.terms.id);
        }
        let used_act = used_act(test).await;
        let mut invitations = Vec::new();
        for number in 0..ATTEMPTS {
            test.invite(&format!("Nobody {number}"), Role::Auditor)
                .await;
        }
        let all = test.server.views.invitations().await.expect("invitations");
        let nobody = all.iter().filter(|one| one.name.starts_with("Nobody"));
        invitations.extend(nobody.map(|one| one.id.to_string()));
        let link = test.invite("Eve", Role::Custodian).await;
        test.enrol(&link, "EVE001").await;
        let eve = test.people.last().expect("Eve");
        let newcomer = (eve.person.id.clone(), eve.card.fingerprint());
        let link = test.invite("Frank", Role::Custodian).await;
        let (_, code) = link.split_once('#').expect("a code");
        let ec = key(test, "ec");
        let ec_key = public_key(test, "ec");
        let bearer = token_for(test, &[], None).await.expect("a token").secret;
        let (cloud_hsm, cloud_domain) = device(test).await;
        Self {
            origin: test.server.config.public_origin.clone(),
            cookies,
            leaving,
            bearer,
            open,
            queued,
            ec: ec_key.fingerprint(),
            rsa: public_key(test, "rsa").fingerprint(),
            certificate: pki::certificate_by_another(&ec_key),
            newcomer,
            invitation_code: code.to_owned(),
            invitations,
            tokens,
            acts,
            used_act,
            activations,
            used_log_in,
            used_approval,
            cloud_hsm,
            cloud_domain,
            cloud_key: format!("{:02X}", ec.reference),
        }
    }

    /// The bytes of an attempt at a route.
    pub fn request(&self, route: &Route, attempt: usize) -> Vec<u8> {
        let (values, body) = (route.fill)(self, attempt);
        let mut path = route.path.to_owned();
        for value in values {
            let (start, end) = (path.find('{'), path.find('}'));
            let (start, end) = (start.expect("a parameter"), end.expect("its end"));
            path.replace_range(start..=end, &value);
        }
        let caller = match route.caller {
            As::Anonymous => format!("Origin: {}\r\n", self.origin),
            As::Person(index) => self.session(&self.cookies[index]),
            As::LeavingPerson => self.session(&self.leaving[attempt % self.leaving.len()]),
            As::Program => format!("Authorization: Bearer {}\r\n", self.bearer),
        };
        let content = if body.is_empty() {
            String::new()
        } else {
            "Content-Type: application/json\r\n".into()
        };
        format!(
            "{} {path} HTTP/1.1\r\nHost: localhost\r\n{caller}{content}Idempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
            route.method,
            NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            body.len()
        )
        .into_bytes()
    }

    /// Does the same as [`Self::request`] for a person and a path that the table does not contain.
    pub fn request_of(&self, index: usize, method: &str, path: &str, body: &str) -> Vec<u8> {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session(&self.cookies[index]),
            body.len()
        )
        .into_bytes()
    }

    fn session(&self, cookie: &str) -> String {
        format!("Origin: {}\r\nCookie: {cookie}\r\n", self.origin)
    }
}

/// Logs a person in, and returns the cookie for requests and the body of the log-in, which is accepted only once.
async fn log_in(test: &mut TestServer, router: &Router, index: usize) -> (String, String) {
    let own = test.server.config.public_origin.clone();
    let origin = [("origin", own.as_str())];
    let challenge: LoginChallenge =
        json(send(router, "POST", "/session/challenge", &origin, None).await).await;
    let statement = test.people[index].card.log_in(&challenge.task);
    let body = text(&LogIn { statement });
    let response = send(router, "POST", "/session", &origin, Some(body.clone())).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .expect("text");
    let cookie = cookie.split(';').next().expect("a cookie");
    (cookie.to_owned(), body)
}

/// Method and path of all writing routes in a file, or in the files of a folder.
fn routes_in_source(path: &Path, found: &mut Vec<(&'static str, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            routes_in_source(&entry.expect("an entry").path(), found);
        }
        return;
    }
    let source = std::fs::read_to_string(path).expect("a source file");
    for route in source.split(".route(").skip(1) {
        // Up to the next method of the router.
        let route = route.split("\n        .").next().unwrap_or_default();
        let path = route.split('"').nth(1).expect("the path of a route");
        for (method, call) in [
            ("POST", "post("),
            ("PUT", "put("),
            ("PATCH", "patch("),
            ("DELETE", "delete("),
        ] {
            if route.contains(call) {
                found.push((method, path.to_owned()));
            }
        }
    }
}

#[test]
fn the_table_names_every_route_that_writes() {
    let mut found = Vec::new();
    // The routes outside of the API.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    routes_in_source(&source.join("cloud"), &mut found);
    routes_in_source(&source.join("ram.rs"), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    let api = TABLE.iter().filter(|(method, ..)| *method != "GET");
    found.extend(api.map(|(method, path, _)| (*method, (*path).to_owned())));
    for (method, path) in found {
        let named = ROUTES.iter().any(|route| {
            let prefix = route.path.strip_suffix(path.as_str());
            route.method == method && matches!(prefix, Some("" | "/api/v1" | "/se/api"))
        });
        assert!(named, "{method} {path} is missing from the table");
    }
}
