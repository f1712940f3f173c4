//! Acts: what lowers a guard needs the cards of the people who may do it, and never a session alone.

use axum::{Router, http::StatusCode};
use countersign_protocol::{
    Timestamp,
    act::{Act, ActResult, ActState, AllowRawRsa, NewAct},
    activation::Quorum,
    audit::{Actor, AuditEvent, DroppedAct},
    cvc::Fingerprint,
    dsse::Envelope,
    hsm::{InitialiseHsm, RegisterCustodian},
    id::{ActId, HsmId},
    operator::{ConfirmKey, KeyStatus, NewInvitation, Role},
    purpose::NewKeyType,
    remote::AcceptDevice,
    statement::ActStatement,
    task::{ServerTask, Task},
    token::NewToken,
};
use countersign_server::{
    acts::{ActError, Signed, Signer},
    hsm::{HsmError, so_pin},
    http::routes::access::TABLE,
    store,
};
use countersign_simulator::Profile;
use serde_json::json;

use crate::{
    http::{log_in, send},
    test_server::{
        ANNA, BEN, CARLA, DOUG, ORIGIN, SO_PIN, TestServer, confirm, hsm_id, operator, router,
        start,
    },
};

fn invite(name: &str, roles: &[Role]) -> NewAct {
    NewAct::InvitePerson(NewInvitation {
        name: name.into(),
        mail: None,
        roles: roles.to_vec(),
    })
}

fn token() -> NewAct {
    NewAct::CreateToken(NewToken {
        label: "pipeline".into(),
        keys: vec![],
        days: 1,
        certificate: None,
    })
}

fn initialise(required: u8) -> NewAct {
    NewAct::InitialiseHsm(InitialiseHsm {
        hsm: hsm_id(),
        quorum: Quorum { required, total: 3 },
        allow_replace: false,
        erase: hsm_id(),
    })
}

fn register(test: &TestServer, index: usize) -> NewAct {
    NewAct::RegisterCustodian(RegisterCustodian {
        hsm: hsm_id(),
        key: test.people[index].card.fingerprint(),
    })
}

fn deposit(test: &TestServer) {
    so_pin::deposit(test.folder.path(), &hsm_id(), SO_PIN).expect("deposited");
}

/// Enrols a person with these roles whose key awaits confirmation. Returns their index.
async fn newcomer(test: &mut TestServer, serial: &str, roles: &[Role]) -> usize {
    let link = test.invite_as(serial, roles).await;
    test.enrol(&link, serial).await;
    test.people.len() - 1
}

/// Enrols and confirms a second admin.
async fn second_admin(test: &mut TestServer) -> usize {
    let index = newcomer(test, "EMIL01", &[Role::Admin]).await;
    let anna = test.anna().person.clone();
    let emil = &test.people[index];
    confirm(
        &test.server,
        &anna,
        &emil.person.id,
        emil.card.fingerprint(),
    )
    .await
    .expect("confirmed");
    index
}

async fn state(test: &TestServer, id: &ActId) -> ActState {
    test.server.acts.get(id).await.expect("an act").state
}

fn id_of(proposed: countersign_protocol::act::ActToSign) -> ActId {
    proposed.act.terms.id
}

/// Sends a signature that was made in another way than a helper does.
async fn present(test: &TestServer, signer: Signer, id: &ActId, statement: Envelope) -> Signed {
    test.server.acts.sign(signer, id.clone(), statement).await
}

#[tokio::test]
async fn each_act_is_carried_out_by_the_card_of_the_only_admin() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    test.wait_for_hsm(|view| view.device.is_some()).await;
    deposit(&test);
    test.perform(ANNA, initialise(2))
        .await
        .expect("initialised");
    for index in [ANNA, BEN, CARLA] {
        let act = register(&test, index);
        test.perform(ANNA, act).await.expect("registered");
    }
    test.generate("rsa", NewKeyType::Rsa2048).await;
    let key = test.hsm_view().await.keys[0].fingerprint;
    let allow = NewAct::AllowRawRsa(AllowRawRsa { key });
    test.perform(ANNA, allow).await.expect("allowed");
    let mechanisms = test.hsm_view().await.keys[0].mechanisms.clone();
    assert!(mechanisms.contains(&countersign_protocol::mechanism::Mechanism::RsaRaw));

    let outcome = test.perform(ANNA, invite("Emil", &[Role::Auditor])).await;
    let ActResult::Invitation(invited) = outcome.expect("invited").result else {
        panic!("an invitation")
    };
    test.enrol(&invited.link, "EMIL01").await;
    let emil = test.people.len() - 1;
    let confirm = NewAct::ConfirmKey(ConfirmKey {
        person: test.people[emil].person.id.clone(),
        fingerprint: test.people[emil].card.fingerprint(),
    });
    test.perform(ANNA, confirm).await.expect("confirmed");
    let people = test.server.views.operators().await.expect("people");
    let status = people
        .into_iter()
        .find(|one| one.person.name == "Emil")
        .map(|one| one.status);
    assert!(matches!(status, Some(KeyStatus::Confirmed { .. })));

    let outcome = test.perform(DOUG, token()).await.expect("a token");
    let ActResult::Token(created) = outcome.result else {
        panic!("a token")
    };
    assert_eq!(created.token.owner, test.doug().person);
    assert_eq!(outcome.act.state, ActState::CarriedOut);
    test.shutdown().await;
}

#[tokio::test]
async fn whoever_has_only_an_admins_session_lowers_no_guard() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let newcomer = newcomer(&mut test, "EVE001", &[Role::Custodian]).await;
    let router = router(&test.server).await;
    let anna = log_in(&mut test, &router, ANNA).await;
    let doug = log_in(&mut test, &router, DOUG).await;
    let key = |label: &str| {
        let keys = test.hsm_view();
        let label = label.to_owned();
        async move {
            let found = keys.await.keys.into_iter().find(|key| key.label == label);
            found.expect("a key").fingerprint
        }
    };
    let rsa = key("rsa").await;
    let confirm = NewAct::ConfirmKey(ConfirmKey {
        person: test.people[newcomer].person.id.clone(),
        fingerprint: test.people[newcomer].card.fingerprint(),
    });
    deposit(&test);
    let before = guards(&test).await;
    let acts = [
        (&anna, invite("Mallory", &[Role::Admin])),
        (&anna, confirm),
        (&anna, initialise(1)),
        (&anna, NewAct::AllowRawRsa(AllowRawRsa { key: rsa })),
        (&doug, token()),
    ];
    for (cookie, act) in acts {
        let proposed = post(&router, cookie, "/acts", json!(act)).await;
        assert_eq!(proposed.0, StatusCode::CREATED, "{proposed:?}");
        let id = proposed.1["act"]["terms"]["id"].as_str().expect("an id");
        // Signatures of anything but the person's card over this act.
        let task: Envelope = serde_json::from_value(proposed.1["task"].clone()).expect("a task");
        let by_ben = test.ben_mut().card.sign_act(&task);
        let mut by_anna = by_ben.clone();
        by_anna.signatures[0].keyid = test.anna().card.fingerprint().to_hex();
        let unsigned = Envelope {
            signatures: vec![],
            ..by_ben.clone()
        };
        for statement in [by_ben, by_anna, unsigned, task.clone()] {
            let path = format!("/acts/{id}/signatures");
            let answer = post(&router, cookie, &path, json!({"statement": statement})).await;
            assert_eq!(answer.0, StatusCode::UNPROCESSABLE_ENTITY, "{answer:?}");
        }
    }
    // The paths without a signature do not exist.
    for path in [
        "/invitations",
        "/tokens",
        "/hsms/release/initialise",
        "/hsms/release/custodians",
        "/devices/DENK0100001/accept",
        "/operators/1/confirm",
    ] {
        let answer = post(&router, &anna, path, json!({})).await;
        assert!(
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.0),
            "{path}: {answer:?}"
        );
    }
    let headers = [("cookie", anna.as_str()), ("origin", ORIGIN)];
    let path = format!("/keys/{}/settings", rsa.to_hex());
    let body = Some(json!({"rawRsa": true}).to_string());
    let answer = send(&router, "PUT", &path, &headers, body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(guards(&test).await, before);
    test.shutdown().await;
}

/// Every route that writes for people who are logged in either raises a guard, uses a card's signature, or is bound to an approval.
#[test]
fn a_new_route_that_writes_has_to_be_looked_at_here() {
    const WITHOUT_A_CARD: &[(&str, &str)] = &[
        ("POST", "/acts"),
        ("POST", "/acts/{id}/task"),
        ("DELETE", "/acts/{id}"),
        ("DELETE", "/session"),
        ("DELETE", "/sessions"),
        ("DELETE", "/sessions/{id}"),
        ("POST", "/operators/{id}/revoke"),
        ("DELETE", "/invitations/{id}"),
        ("DELETE", "/tokens/{id}"),
        ("DELETE", "/hsms/{id}"),
        ("POST", "/devices/{device}/decline"),
        // The device has to prove itself again, and its first wrong signature brings the quarantine back.
        ("DELETE", "/hsms/{id}/quarantine"),
        // A certificate decides nothing at this server.
        ("PUT", "/keys/{fingerprint}/certificate"),
        ("DELETE", "/keys/{fingerprint}/certificate"),
        // It forbids only.
        ("PUT", "/keys/{fingerprint}/settings"),
        // A request does nothing before custodians approve it, and signatures are made only after that.
        ("POST", "/activations"),
        ("POST", "/activations/{id}/task"),
        ("POST", "/activations/{id}/decline"),
        ("POST", "/activations/{id}/lock"),
        ("POST", "/activations/{id}/signatures"),
    ];
    const WITH_A_CARD: &[(&str, &str)] = &[
        ("POST", "/acts/{id}/signatures"),
        ("POST", "/activations/{id}/approvals"),
    ];
    let known = |method: &str, path: &str| {
        let mut all = WITHOUT_A_CARD.iter().chain(WITH_A_CARD);
        all.any(|known| *known == (method, path))
    };
    for (method, path, access) in TABLE {
        let anyone = *access == countersign_server::http::routes::Access::Anyone;
        assert!(
            *method == "GET" || anyone || known(method, path),
            "{method} {path}: does it lower a guard? Then it must be an act"
        );
    }
}

/// Sends a request as the portal does. Returns status and body.
async fn post(
    router: &Router,
    cookie: &str,
    path: &str,
    body: serde_json::Value,
) -> (StatusCode, serde_json::Value) {
    let headers = [("cookie", cookie), ("origin", ORIGIN)];
    let response = send(router, "POST", path, &headers, Some(body.to_string())).await;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// Everything that acts can change, as a text.
async fn guards(test: &TestServer) -> String {
    let views = &test.server.views;
    let (people, tokens) = (views.operators().await, views.tokens().await);
    let hsm = test.hsm_view().await;
    let keys: Vec<_> = hsm
        .keys
        .iter()
        .map(|key| (&key.label, &key.mechanisms))
        .collect();
    let invitations = views.invitations().await.map(|all| all.len());
    format!(
        "{people:?} {:?} {invitations:?} {:?} {keys:?} {:?} {:?}",
        tokens.map(|all| all.len()),
        hsm.pka,
        hsm.custodians.len(),
        test.server.hsms.all().len(),
    )
}

#[tokio::test]
async fn a_second_admin_signs_what_touches_the_quorum() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let emil = second_admin(&mut test).await;
    let friend = newcomer(&mut test, "FRIEND", &[Role::Admin]).await;
    let remote = NewAct::AcceptDevice(AcceptDevice {
        device: countersign_protocol::cvc::DeviceId("ZZNOBODY00001".parse().expect("a name")),
        hsm: HsmId::new("remote"),
    });
    let not_there = test.propose(ANNA, remote).await;
    assert!(
        matches!(not_there, Err(ActError::Device(_))),
        "{not_there:?}"
    );
    let rsa = test.hsm_view().await.keys;
    let rsa = rsa.iter().find(|key| key.label == "rsa").expect("rsa");
    let confirm = NewAct::ConfirmKey(ConfirmKey {
        person: test.people[friend].person.id.clone(),
        fingerprint: test.people[friend].card.fingerprint(),
    });
    deposit(&test);
    for act in [
        NewAct::AllowRawRsa(AllowRawRsa {
            key: rsa.fingerprint,
        }),
        initialise(2),
        confirm,
    ] {
        let before = guards(&test).await;
        let id = id_of(test.propose(ANNA, act).await.expect("proposed"));
        let first = test.sign_act(ANNA, &id).await.expect("signed");
        assert_eq!(first.act.state, ActState::AwaitingSignatures);
        let again = test.sign_act(ANNA, &id).await;
        assert!(matches!(again, Err(ActError::AlreadySigned)));
        for other in [BEN, DOUG, friend] {
            let refused = test.sign_act(other, &id).await;
            let expected = matches!(refused, Err(ActError::Role(_) | ActError::NotConfirmed));
            assert!(expected, "{:?}", refused.err());
        }
        assert_eq!(guards(&test).await, before);
        let second = test.sign_act(emil, &id).await.expect("signed");
        assert_eq!(second.act.state, ActState::CarriedOut);
        assert_ne!(guards(&test).await, before);
        let late = test.sign_act(emil, &id).await;
        assert!(matches!(late, Err(ActError::Ended(_))));
    }
    // One admin is enough for what custodians or another act still have to allow.
    let invited = test
        .perform(ANNA, invite("Grace", &[Role::Custodian]))
        .await;
    assert_eq!(invited.expect("invited").act.terms.signatures, 1);
    test.shutdown().await;
}

#[tokio::test]
async fn an_act_that_one_admin_signed_is_not_enough_once_there_are_two() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    test.wait_for_hsm(|view| view.device.is_some()).await;
    deposit(&test);
    let id = id_of(test.propose(ANNA, initialise(2)).await.expect("proposed"));
    let emil = second_admin(&mut test).await;
    let refused = test.sign_act(ANNA, &id).await;
    assert!(matches!(refused, Err(ActError::Changed(_))));
    // Revoking the second admin does not make one enough.
    let (anna, emil) = (
        test.anna().person.clone(),
        test.people[emil].person.id.clone(),
    );
    let people = &test.server.people;
    people
        .revoke_key(&anna, &operator(&anna), &emil)
        .await
        .expect("revoked");
    let refused = test.sign_act(ANNA, &id).await;
    assert!(matches!(refused, Err(ActError::SecondAdminRevoked { .. })));
    let refused = test.propose(ANNA, initialise(2)).await;
    assert!(matches!(refused, Err(ActError::SecondAdminRevoked { .. })));
    assert!(test.hsm_view().await.pka.is_none());
    test.shutdown().await;
}

#[tokio::test]
async fn the_signature_of_a_person_who_was_revoked_since_does_not_count() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    test.wait_for_hsm(|view| view.device.is_some()).await;
    let emil = second_admin(&mut test).await;
    let third = newcomer(&mut test, "FRIEND", &[Role::Admin]).await;
    let anna = test.anna().person.clone();
    let friend = &test.people[third];
    let key = friend.card.fingerprint();
    confirm(&test.server, &anna, &friend.person.id, key)
        .await
        .expect("confirmed");
    deposit(&test);
    let id = id_of(test.propose(ANNA, initialise(2)).await.expect("proposed"));
    test.sign_act(emil, &id).await.expect("signed");
    let revoked = test.people[emil].person.id.clone();
    let people = &test.server.people;
    people
        .revoke_key(&anna, &operator(&anna), &revoked)
        .await
        .expect("revoked");
    let refused = test.sign_act(third, &id).await;
    assert!(matches!(refused, Err(ActError::SignerRevoked(_))));
    test.shutdown().await;
}

#[tokio::test]
async fn a_signature_counts_for_this_act_at_this_server_only() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let first = test.propose(ANNA, invite("Emil", &[Role::Auditor])).await;
    let first = first.expect("proposed");
    let other = test.propose(ANNA, invite("Grace", &[Role::Admin])).await;
    let other = other.expect("proposed");
    let id = first.act.terms.id.clone();
    let task: ServerTask = first.task.peek().expect("a task");
    let Task::SignAct(act) = task.task else {
        panic!("an act")
    };
    let key = test.anna().card.fingerprint();
    let good = ActStatement {
        terms: act.terms,
        origin: task.server.origin.clone(),
        server_key: task.server.key.fingerprint(),
        key,
        at: Timestamp::now(),
    };
    let mut wrong = vec![good.clone(), good.clone(), good.clone(), good.clone()];
    wrong[0].origin = "https://sign.example.net".into();
    wrong[1].server_key = Fingerprint([7; 32]);
    wrong[2].terms.signatures = 2;
    wrong[3].key = test.ben().card.fingerprint();
    let mut changed = good.clone();
    changed.terms.act = Act::InvitePerson {
        name: "Emil".into(),
        roles: vec![Role::Admin],
    };
    wrong.push(changed);
    for statement in wrong {
        let statement = test.anna_mut().card.seal(&statement);
        let refused = present(&test, test.signer(ANNA), &id, statement).await;
        assert!(matches!(refused, Err(ActError::Statement(_))));
    }
    let for_other = test.anna_mut().card.sign_act(&other.task);
    let refused = present(&test, test.signer(ANNA), &id, for_other).await;
    assert!(matches!(refused, Err(ActError::Statement(_))));
    // Ben cannot present what Anna signed.
    let statement = test.anna_mut().card.seal(&good);
    let refused = present(&test, test.signer(BEN), &id, statement.clone()).await;
    assert!(matches!(refused, Err(ActError::Role(_))));
    present(&test, test.signer(ANNA), &id, statement)
        .await
        .expect("signed");
    test.shutdown().await;
}

#[tokio::test]
async fn an_act_that_fails_can_be_signed_again_but_not_with_the_same_signature() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    test.wait_for_hsm(|view| view.device.is_some()).await;
    // Only a device that was initialised before knows its SO-PIN.
    test.initialise().await;
    let proposed = test.propose(ANNA, initialise(2)).await.expect("proposed");
    let id = proposed.act.terms.id.clone();
    // Nobody entered the SO-PIN, so nothing is stored.
    let refused = test.sign_act(ANNA, &id).await;
    assert!(matches!(refused, Err(ActError::Hsm(HsmError::SoPin(_)))));
    let act = test.server.acts.get(&id).await.expect("an act");
    assert!(act.signed_by.is_empty());

    so_pin::deposit(test.folder.path(), &hsm_id(), "3131313131313131").expect("deposited");
    let statement = test.anna_mut().card.sign_act(&proposed.task);
    let refused = present(&test, test.signer(ANNA), &id, statement.clone()).await;
    assert!(matches!(refused, Err(ActError::Activation(_))));
    let act = test.server.acts.get(&id).await.expect("an act");
    assert_eq!(act.state, ActState::AwaitingSignatures);
    assert!(act.signed_by.is_empty() && act.notice.is_some());

    // The audit log shows the signature to others, who must not have the act carried out with it later.
    deposit(&test);
    let replayed = present(&test, test.signer(ANNA), &id, statement).await;
    assert!(matches!(replayed, Err(ActError::Statement(_))));
    let outcome = test.sign_act(ANNA, &id).await.expect("signed");
    assert_eq!(outcome.act.state, ActState::CarriedOut);
    let refused = so_pin::obtain(test.folder.path(), &hsm_id()).await;
    assert!(refused.is_err(), "the SO-PIN is used up");
    test.shutdown().await;
}

#[tokio::test]
async fn an_act_is_not_carried_out_if_its_facts_changed() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    deposit(&test);
    let erase = id_of(test.propose(ANNA, initialise(2)).await.expect("proposed"));
    test.generate("another", NewKeyType::EcSecp256r1).await;
    let refused = test.sign_act(ANNA, &erase).await;
    assert!(matches!(refused, Err(ActError::Changed(_))));
    assert_eq!(test.hsm_view().await.keys.len(), 3);

    let slip = NewAct::InitialiseHsm(InitialiseHsm {
        hsm: hsm_id(),
        quorum: Quorum {
            required: 2,
            total: 3,
        },
        allow_replace: false,
        erase: HsmId::new("another"),
    });
    let refused = test.propose(ANNA, slip).await;
    let confirmed = matches!(refused, Err(ActError::Hsm(HsmError::EraseNotConfirmed(_))));
    assert!(confirmed, "{refused:?}");
    test.shutdown().await;
}

#[tokio::test]
async fn a_withdrawn_or_interrupted_act_is_over() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let withdrawn = id_of(test.propose(DOUG, token()).await.expect("proposed"));
    let by_carla = test.signer(CARLA);
    let refused = test.server.acts.withdraw(&by_carla, &withdrawn).await;
    assert!(matches!(refused, Err(ActError::Role(_))));
    let by_anna = test.signer(ANNA);
    let acts = &test.server.acts;
    acts.withdraw(&by_anna, &withdrawn)
        .await
        .expect("withdrawn");
    let late = test.sign_act(DOUG, &withdrawn).await;
    assert!(matches!(late, Err(ActError::Ended(_))));

    // The server stops while the HSM carries out an act.
    let interrupted = test.propose(ANNA, invite("Emil", &[Role::Admin])).await;
    let interrupted = id_of(interrupted.expect("proposed"));
    let mut tx = test.server.store.write().await.expect("a transaction");
    let working = ActState::CarryingOut;
    store::acts::set_state(tx.connection(), &interrupted, &working, None)
        .await
        .expect("stored");
    tx.commit().await.expect("stored");
    let late = test.sign_act(ANNA, &interrupted).await;
    assert!(matches!(late, Err(ActError::CarryingOut)));
    test.shutdown().await;
    test.server = start(test.folder.path(), &test.hsm).await;
    assert_eq!(state(&test, &interrupted).await, ActState::Interrupted);
    let late = test.sign_act(ANNA, &interrupted).await;
    assert!(matches!(late, Err(ActError::Ended(_))));
    let dropped: Vec<_> = test
        .audit()
        .await
        .into_iter()
        .filter_map(|event| match event {
            AuditEvent::ActDropped { why, .. } => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [DroppedAct::Withdrawn, DroppedAct::Interrupted]);
    test.shutdown().await;
}

#[tokio::test]
async fn a_token_is_signed_by_its_owner_alone() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let id = id_of(test.propose(DOUG, token()).await.expect("proposed"));
    // Anna is an admin and a requester.
    let refused = test.sign_act(ANNA, &id).await;
    assert!(matches!(refused, Err(ActError::NotProposer)));
    let refused = test.propose(BEN, token()).await;
    assert!(matches!(refused, Err(ActError::Role(Role::Requester))));
    let refused = test.propose(DOUG, invite("Emil", &[Role::Admin])).await;
    assert!(matches!(refused, Err(ActError::Role(Role::Admin))));
    test.shutdown().await;
}

#[tokio::test]
async fn the_audit_log_holds_each_signature_so_that_anybody_can_check_it() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let outcome = test.perform(ANNA, invite("Emil", &[Role::Auditor])).await;
    let act = outcome.expect("invited").act;
    let page = test.server.views.audit(None, 100).await.expect("a page");
    let mut entries: Vec<_> = page.entries.into_iter().collect();
    entries.reverse();
    let mine: Vec<_> = entries
        .iter()
        .skip_while(|entry| !matches!(entry.event, AuditEvent::ActProposed { .. }))
        .collect();
    let [proposed, signed, invited, done] = mine.as_slice() else {
        panic!("{mine:?}")
    };
    let anna = Actor::Operator {
        person: test.anna().person.clone(),
    };
    assert!(mine.iter().all(|entry| entry.actor == anna));
    assert_eq!(
        proposed.event,
        AuditEvent::ActProposed {
            terms: act.terms.clone()
        }
    );
    let AuditEvent::ActSigned { statement, .. } = &signed.event else {
        panic!("{signed:?}")
    };
    let key = test.anna().card.public_key();
    let statement: ActStatement = statement.verify(key).expect("Anna's signature");
    assert_eq!(statement.terms, act.terms);
    assert!(matches!(invited.event, AuditEvent::Invited { .. }));
    assert!(matches!(done.event, AuditEvent::ActCarriedOut { .. }));
    test.shutdown().await;
}
