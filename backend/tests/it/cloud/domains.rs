//! Key domains, use counters and lists of algorithms of a device.

use countersign_card::{
    DkekShare, InitializeOptions, KeyDomainOptions, KeyKind, KeySpec, PkaOptions, SmartCardHsm,
    SoPin,
    pka::{ChallengeBehaviour, PkaResponse, Round},
};
use countersign_protocol::{
    cvc::{Curve, EcSignature},
    purpose::NewKeyType,
};
use countersign_simulator::Profile;
use serde_json::json;

use super::client::{Client, described, device, key, path, with};
use crate::{person::anchors, test_server::TestServer};

/// Generates a key with another tool, for which the custodians' cards open the device at one computer.
fn generate_elsewhere(test: &mut TestServer, spec: &KeySpec) {
    let mut card = SmartCardHsm::open(test.hsm.connect()).expect("selects");
    let device = card
        .device_chain()
        .expect("a chain")
        .verify(&anchors())
        .expect("genuine");
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::SingleUse);
    for person in &mut test.people[..2] {
        let challenge = round.challenge(&mut card).expect("a challenge");
        let signature: EcSignature = person.card.sign(&challenge.digest(device.id()));
        let response = PkaResponse {
            name: person.card.file.request.chr(),
            key: person.card.public_key(),
            challenge: &challenge,
            signature: &signature,
        };
        round.respond(&mut card, &response).expect("an outcome");
    }
    card.generate_key_in_domain(spec, 0).expect("a key");
}

#[tokio::test]
async fn a_key_domain_is_listed_with_its_keys() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let options = InitializeOptions::Quorum(PkaOptions::new(2, 3, false).expect("a quorum"));
    let so_pin = SoPin::from_hex("3537363231383830").expect("a SO-PIN");
    let mut card = SmartCardHsm::open(test.hsm.connect()).expect("selects");
    card.initialize_with_domains(&options, KeyDomainOptions::Dkek { shares: 1 }, &so_pin)
        .expect("initialised");
    let domain = card
        .import_dkek_share(0, &DkekShare::new([3; 32]))
        .expect("a share");
    drop(card);
    let kcv = hex::encode_upper(domain.kcv.expect("a check value"));
    test.restart().await;
    test.register_custodians().await;
    test.generate("ec", NewKeyType::EcSecp256r1).await;
    let spec = KeySpec {
        kind: KeyKind::Ec(Curve::Secp256r1),
        label: "counted".into(),
        chr: "UTCOUNTED00001".parse().expect("a name"),
        // SHA-224 and ECDH have no name in the interface.
        algorithms: Some(vec![0x70, 0x72, 0x73, 0x80]),
        use_counter: Some(9),
    };
    generate_elsewhere(&mut test, &spec);
    test.restart().await;

    let client = Client::doug(&test).await;
    let (hsm, default) = device(&test).await;
    let id = test.request_any_content("counted", 600, 5).await;
    test.open(&id).await;
    let received = json!({"keyUseCounter": 9, "algorithms": ["ECDSA", "ECDSA_SHA256"]});
    let counted = with(described(&test, "counted"), received);
    assert_eq!(
        client.get("/hsms").await.ok(),
        json!([{
            "id": hsm,
            "defaultKeyDomain": default,
            "keyDomains": [{"id": kcv}],
            "keys": [with(counted.clone(), json!({"keyDomain": kcv}))],
        }])
    );
    let in_domain = with(counted, json!({"hsms": [hsm]}));
    assert_eq!(
        client.get("/keydomains").await.ok(),
        json!([
            {"id": default, "hsms": [hsm], "keys": []},
            {"id": kcv, "hsms": [hsm], "keys": [in_domain]},
        ])
    );
    let key_path = path(&test, "counted");
    for domain in [&kcv, &kcv.to_lowercase()] {
        let one = client.get(&format!("/keydomains/{domain}{key_path}")).await;
        assert_eq!(one.ok(), in_domain);
    }
    let not_there = format!("/keydomains/{default}{key_path}");
    assert_eq!(client.get(&not_there).await.rejection(), (404, "not-found"));
    let reply = client.sign(&not_there, "ECDSA", &[1; 32]).await;
    assert_eq!(reply.rejection(), (404, "not-found"));
    client
        .sign(&format!("/keydomains/{kcv}{key_path}"), "ECDSA", &[1; 32])
        .await
        .ok();
    assert_eq!(key(&test, "ec").domain, Some(0));
    test.shutdown().await;
}
