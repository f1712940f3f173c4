//! Several HSMs whose keys have the same ids, because an id is the key's number on its device.

use countersign_card::{InitializeOptions, PkaOptions, SmartCardHsm, SoPin};
use countersign_protocol::{
    activation::{ActivationState, Join, NewActivation, NewPurpose},
    hsm::RegisterCustodian,
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    mechanism::Mechanism,
    purpose::{NewKeyType, Scope},
};
use countersign_server::{activation::Approved, mandate::Mandate, server::SimulatorConnector};
use countersign_simulator::Profile;
use serde_json::Value;

use super::client::{Client, device, lock, path, public_key};
use crate::{
    person::new_card,
    test_server::{ANNA, BEN, CARLA, DOUG, TestServer, operator, requester},
};

fn second() -> HsmId {
    HsmId::new("second")
}

/// Requests an activation of the second HSM.
async fn request(test: &TestServer, index: usize, purpose: NewPurpose) -> ActivationId {
    let person = &test.people[index].person;
    let actor = operator(person);
    let lease = matches!(purpose, NewPurpose::Sign { .. }).then_some(LeaseLimits {
        seconds: 600,
        signatures: 10,
    });
    let new = NewActivation {
        hsm: Some(second()),
        purpose,
        reason: "The second HSM".into(),
        lease,
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    };
    let requester = requester(person, &actor, index == ANNA);
    let (id, _) = test
        .server
        .activations
        .create(&requester, new)
        .await
        .expect("requested");
    id
}

async fn approve(test: &mut TestServer, id: &ActivationId) {
    test.wait_for(id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    for index in [BEN, CARLA] {
        let custodian = test.people[index].custodian();
        let mut task = test
            .server
            .activations
            .coordinators()
            .task(&second(), id.member(0), custodian)
            .await
            .expect("a task");
        loop {
            let signed = test.people[index].approve(&task);
            let custodian = test.people[index].custodian();
            let outcome = test
                .server
                .activations
                .coordinators()
                .approve(&second(), id.member(0), custodian, signed)
                .await
                .expect("an outcome");
            match outcome {
                Approved::Counted => break,
                Approved::SignAgain { task: again } => task = again,
            }
        }
    }
}

/// Attaches a second HSM with one key, whose id is also the id of a key on the first HSM.
async fn attach_second(test: &mut TestServer) {
    let simulator = new_card("SECOND", Profile::VENDOR, None);
    let options = InitializeOptions::Quorum(PkaOptions::new(2, 3, false).expect("a quorum"));
    SmartCardHsm::open(simulator.connect())
        .expect("selects")
        .initialize(
            &options,
            &SoPin::from_hex("3537363231383830").expect("a SO-PIN"),
        )
        .expect("initialised");
    let connector = Box::new(SimulatorConnector::new(simulator));
    test.server
        .fleet
        .add(second(), connector)
        .await
        .expect("attached");
    let hsm = test.server.hsms.get(&second()).expect("an HSM");
    hsm.changes()
        .wait_for(|snapshot| snapshot.device().is_some())
        .await
        .expect("found");
    let mandate = Mandate::assumed(&test.anna().person);
    for index in [ANNA, BEN, CARLA] {
        let register = RegisterCustodian {
            hsm: second(),
            key: test.people[index].card.fingerprint(),
        };
        test.server
            .activations
            .register(&mandate, register)
            .await
            .expect("registered");
    }
    let generate = NewPurpose::GenerateKey {
        label: "second".into(),
        key_type: NewKeyType::EcSecp256r1,
    };
    let id = request(test, ANNA, generate).await;
    approve(test, &id).await;
    test.wait_for(&id, |view| view.state.is_ended()).await;
}

#[tokio::test]
async fn an_ambiguous_key_id_is_rejected_unless_the_request_is_specific() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    attach_second(&mut test).await;
    let client = Client::doug(&test).await;
    let first_id = test.request_any_content("ec", 600, 10).await;
    test.open(&first_id).await;
    let sign = NewPurpose::Sign {
        keys: vec!["second".into()],
        scope: Scope::Open,
    };
    let second_id = request(&test, DOUG, sign).await;
    approve(&mut test, &second_id).await;

    let (first, _) = device(&test).await;
    let key = path(&test, "ec");
    let keys = client.get("/keys").await.ok();
    let keys = keys.as_array().expect("a list").clone();
    let ids: Vec<_> = keys.iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, ["01", "01"]);
    let other = keys
        .iter()
        .find(|key| key["label"] == "second")
        .expect("the second HSM's key");
    let other_hsm = other["hsms"][0].as_str().expect("an HSM");
    assert_ne!(other_hsm, first);

    // The id alone is ambiguous.
    assert_eq!(client.get(&key).await.rejection(), (409, "conflict"));
    let hash = [1; 32];
    let reply = client.sign(&key, "ECDSA", &hash).await;
    assert_eq!(reply.rejection(), (409, "conflict"));

    let verifies = |reply: Value, public: &_| {
        let signature = hex::decode(reply["signature"].as_str().expect("hex")).expect("hex");
        Mechanism::EcdsaSha256
            .verify(public, &hash, &signature)
            .is_ok()
    };
    let own = public_key(&test, "ec");
    let place = test
        .server
        .hsms
        .find_key(Some(&second()), "second")
        .expect("the key")
        .remove(0);
    let by_first = client
        .sign(&format!("/hsms/{first}{key}"), "ECDSA", &hash)
        .await
        .ok();
    assert!(verifies(by_first, &own));
    let by_second = client
        .sign(&format!("/hsms/{other_hsm}{key}"), "ECDSA", &hash)
        .await
        .ok();
    assert!(verifies(by_second, &place.public_key));
    let domain = other["keyDomain"].as_str().expect("a domain");
    let by_domain = client
        .sign(&format!("/keydomains/{domain}{key}"), "ECDSA", &hash)
        .await
        .ok();
    assert!(verifies(by_domain, &place.public_key));
    assert_eq!(test.view(&first_id).await.signatures, 1);
    assert_eq!(test.view(&second_id).await.signatures, 1);

    // It is not ambiguous for a token limited to one key, or if only one key is open.
    let (narrow, _) = Client::of(&test, DOUG, &["second"]).await;
    assert!(verifies(
        narrow.sign(&key, "ECDSA", &hash).await.ok(),
        &place.public_key
    ));
    lock(&test, &second_id).await;
    assert!(verifies(client.sign(&key, "ECDSA", &hash).await.ok(), &own));
    assert_eq!(client.get("/hsms").await.ok()[0]["id"], first);
    test.shutdown().await;
}
