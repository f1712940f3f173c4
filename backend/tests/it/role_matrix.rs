//! Every route of the API with every kind of caller: callers with the right role get past the check, all others do not.

use axum::{Router, http::StatusCode};
use countersign_protocol::{operator::Role, token::NewToken};
use countersign_server::http::routes::access::{Access, TABLE};
use countersign_simulator::Profile;

use crate::{
    http::{log_in, send},
    test_server::{ORIGIN, TestServer, confirm, create_token, operator, router},
    tls::server::token_for,
};

/// A caller with the headers that identify them.
struct Caller {
    name: String,
    headers: Vec<(&'static str, String)>,
    kind: Kind,
}

enum Kind {
    /// No credential, or one that the server does not accept.
    Nobody,
    Person(Vec<Role>),
    /// A program for an owner with these roles.
    Program(Vec<Role>),
}

/// How a request leaves the check of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passes,
    NotAuthenticated,
    NotAllowed,
}

impl Caller {
    fn outcome(&self, access: Access) -> Outcome {
        let has_one = |roles: &[Role], own: &[Role]| {
            if own.iter().any(|role| roles.contains(role)) {
                Outcome::Passes
            } else {
                Outcome::NotAllowed
            }
        };
        match (access, &self.kind) {
            (Access::Anyone, _) => Outcome::Passes,
            (_, Kind::Nobody) => Outcome::NotAuthenticated,
            (Access::Callers(roles) | Access::People(roles), Kind::Person(own)) => {
                has_one(roles, own)
            }
            (Access::Callers(roles), Kind::Program(owner)) => {
                let mut own = owner.clone();
                own.retain(|role| *role == Role::Requester);
                has_one(roles, &own)
            }
            (Access::People(_), Kind::Program(_)) => Outcome::NotAllowed,
        }
    }
}

/// Enrols and confirms a person with these roles, and logs them in.
async fn person(test: &mut TestServer, router: &Router, number: usize, roles: &[Role]) -> Caller {
    let admin = test.anna().person.clone();
    let link = test.invite_as(&format!("Person {number}"), roles).await;
    test.enrol(&link, &format!("PERS{number:02}")).await;
    let index = test.people.len() - 1;
    let (id, key) = {
        let person = &test.people[index];
        (person.person.id.clone(), person.card.fingerprint())
    };
    confirm(&test.server, &admin, &id, key)
        .await
        .expect("confirmed");
    let cookie = log_in(test, router, index).await;
    Caller {
        name: format!("a person with {roles:?}"),
        headers: vec![("cookie", cookie), ("origin", ORIGIN.to_owned())],
        kind: Kind::Person(roles.to_vec()),
    }
}

async fn program(test: &TestServer, index: usize, roles: &[Role]) -> Caller {
    let owner = &test.people[index].person;
    let new = NewToken {
        label: "pipeline".into(),
        keys: vec![],
        days: 1,
        certificate: None,
    };
    let created = create_token(&test.server, owner, &new)
        .await
        .expect("a token");
    Caller {
        name: format!("a program for {roles:?}"),
        headers: vec![("authorization", format!("Bearer {}", created.secret))],
        kind: Kind::Program(roles.to_vec()),
    }
}

/// A program whose token was revoked.
async fn revoked_program(test: &TestServer) -> Caller {
    let doug = &test.doug().person;
    let created = token_for(test, &[], None).await.expect("a token");
    let tokens = &test.server.tokens;
    tokens
        .revoke(doug, false, &operator(doug), &created.token.id)
        .await
        .expect("revoked");
    Caller {
        name: "a revoked token".to_owned(),
        headers: vec![("authorization", format!("Bearer {}", created.secret))],
        kind: Kind::Nobody,
    }
}

async fn callers(test: &mut TestServer, router: &Router) -> Vec<Caller> {
    let mut callers = vec![
        Caller {
            name: "anonymous".to_owned(),
            headers: vec![("origin", ORIGIN.to_owned())],
            kind: Kind::Nobody,
        },
        Caller {
            name: "an unknown token".to_owned(),
            headers: vec![("authorization", "Bearer cst_unknown".to_owned())],
            kind: Kind::Nobody,
        },
        Caller {
            name: "an unknown session".to_owned(),
            headers: vec![
                ("cookie", "countersign=AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
                ("origin", ORIGIN.to_owned()),
            ],
            kind: Kind::Nobody,
        },
    ];
    callers.push(revoked_program(test).await);
    let mut number = 0;
    for roles in Role::ALL
        .map(|role| vec![role])
        .into_iter()
        .chain([Role::ALL.to_vec()])
    {
        number += 1;
        callers.push(person(test, router, number, &roles).await);
        callers.push(program(test, test.people.len() - 1, &roles).await);
    }
    // Of two credentials the token counts, so a session adds no right to it.
    let [.., person, program] = callers.as_slice() else {
        panic!("a person and a program")
    };
    let both = Caller {
        name: format!("{} with the session of {}", program.name, person.name),
        headers: [&person.headers[..], &program.headers].concat(),
        kind: Kind::Program(Role::ALL.to_vec()),
    };
    callers.push(both);
    callers
}

/// A path to nothing: no person, HSM, key or activation has these ids.
fn filled(path: &str) -> String {
    path.replace("{id}", "0000-0000")
        .replace("{device}", "DENK0999999")
        .replace("{fingerprint}", &"00".repeat(32))
}

#[tokio::test]
async fn every_route_lets_exactly_its_callers_pass() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let callers = callers(&mut test, &router).await;
    let ends_session = |row: &&(&str, &str, Access)| (row.0, row.1) == ("DELETE", "/session");
    // A log-out comes last, because the caller has no session afterwards.
    let rows = TABLE.iter().filter(|row| !ends_session(row));
    let rows: Vec<_> = rows
        .chain(TABLE.iter().filter(ends_session))
        .flat_map(|(method, path, access)| {
            // HEAD is GET without the body.
            let head = (*method == "GET").then_some(("HEAD", *path, *access));
            [Some((*method, *path, *access)), head]
                .into_iter()
                .flatten()
        })
        .collect();
    let mut cells = 0;
    for caller in &callers {
        let headers: Vec<_> = caller
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        for (method, path, access) in &rows {
            let body = ["POST", "PUT"].contains(method).then(|| "{}".to_owned());
            // The callers need their sessions for the other rows.
            let keeps = (*method, *path) == ("DELETE", "/sessions");
            let path = filled(path) + if keeps { "?keepCurrent=true" } else { "" };
            let response = send(&router, method, &path, &headers, body).await;
            let outcome = match response.status() {
                StatusCode::UNAUTHORIZED => Outcome::NotAuthenticated,
                StatusCode::FORBIDDEN => Outcome::NotAllowed,
                status => {
                    assert!(!status.is_server_error(), "{method} {path}: {status}");
                    Outcome::Passes
                }
            };
            let expected = caller.outcome(*access);
            assert_eq!(outcome, expected, "{method} {path} by {}", caller.name);
            cells += 1;
        }
    }
    println!(
        "{cells} cells: {} methods and paths, {} callers",
        rows.len(),
        callers.len()
    );
    test.shutdown().await;
}
