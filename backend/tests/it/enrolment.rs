//! Enrolments that are rejected, each with its own reason.

use countersign_card::KeyKind;
use countersign_protocol::{
    audit::AuditEvent,
    cvc::{
        AttestationError, AuthenticatedRequest, ChainError, Curve, DeviceChain, PkaFile,
        attestation,
    },
    dsse::Envelope,
    encoding::Base64,
    operator::{Bootstrap, Enrolment, Role},
    statement::EnrolmentStatement,
};
use countersign_server::{config::AnchorConfig, people::PeopleError, server::Server};
use countersign_simulator::Profile;

use crate::{
    person::Card,
    pki,
    test_server::{TestServer, config},
};

/// Tries to enrol with a changed file and a valid statement, and returns the error.
async fn rejection(
    test: &TestServer,
    card: &mut Card,
    change: impl FnOnce(&mut PkaFile),
) -> PeopleError {
    let link = test.invite("Mallory", Role::Custodian).await;
    let (_, code) = link.split_once('#').expect("a code");
    let opened = test
        .server
        .people
        .open_invitation(code)
        .await
        .expect("opened");
    let mut enrolment = card.enrolment(code, &opened);
    let mut file = card.file.clone();
    change(&mut file);
    enrolment.pka = Base64(file.to_new_format());
    let before = test.audit().await.len();
    let error = test
        .server
        .people
        .enrol(&enrolment)
        .await
        .expect_err("rejected");
    let audit = test.audit().await;
    assert_eq!(audit.len(), before + 1, "only the rejection is logged");
    let why = error.to_string();
    assert!(
        matches!(audit.last(), Some(AuditEvent::EnrolmentRejected { why: logged, .. }) if *logged == why)
    );
    error
}

/// The request with one bit changed at this distance from its end.
fn damaged(request: &AuthenticatedRequest, from_end: usize) -> AuthenticatedRequest {
    let mut bytes = request.raw().to_vec();
    let place = bytes.len() - from_end;
    bytes[place] ^= 1;
    AuthenticatedRequest::parse(&bytes).expect("still a request")
}

fn of_attestation(error: PeopleError) -> AttestationError {
    match error {
        PeopleError::Attestation(error) => error,
        other => panic!("rejected for another reason: {other}"),
    }
}

#[tokio::test]
async fn each_forgery_is_rejected_with_its_own_reason() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let mut card = Card::new("MALL01");
    let mut other = Card::new("OTHER1");

    let error = rejection(&test, &mut card, |file| {
        file.request = damaged(&file.request, 1)
    })
    .await;
    assert!(matches!(
        of_attestation(error),
        AttestationError::OuterSignature(_)
    ));

    // The chain of another card, which did not generate this key.
    let chain = other.file.chain.clone();
    let error = rejection(&test, &mut card, |file| file.chain = chain).await;
    let error = of_attestation(error);
    assert!(
        matches!(error, AttestationError::OtherDevice { .. }),
        "{error:?}"
    );

    // A key and a chain of different cards.
    let request = other.file.request.clone();
    let error = rejection(&test, &mut card, |file| file.request = request).await;
    let error = of_attestation(error);
    assert!(
        matches!(error, AttestationError::OtherDevice { .. }),
        "{error:?}"
    );

    // A device certificate in the place of its issuer's certificate.
    let error = rejection(&test, &mut card, |file| {
        file.chain = DeviceChain {
            device: file.chain.device.clone(),
            issuer: file.chain.device.clone(),
        };
    })
    .await;
    let error = of_attestation(error);
    assert!(
        matches!(
            error,
            AttestationError::Chain(ChainError::WrongIssuer { .. })
        ),
        "{error:?}"
    );

    // An attested key that public key authentication cannot use.
    for kind in [KeyKind::Rsa(2048), KeyKind::Ec(Curve::Secp384r1)] {
        let file = Card::with_key("WRONG1", kind).file;
        let error = rejection(&test, &mut card, |pka| *pka = file).await;
        let error = of_attestation(error);
        assert!(
            matches!(error, AttestationError::UnsuitableKey { .. }),
            "{error:?}"
        );
    }

    // The key of another person with its valid attestation.
    let anna = test.anna().card.file.clone();
    let error = rejection(&test, &mut other, |file| *file = anna).await;
    assert!(matches!(error, PeopleError::Taken(_)), "{error}");
    test.shutdown().await;
}

#[tokio::test]
async fn an_enrolment_statement_is_bound_to_its_invitation_and_key() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let mut card = Card::new("MALL01");
    let first = test.invite("Mallory", Role::Custodian).await;
    let second = test.invite("Bob", Role::Admin).await;
    let code = |link: &str| link.split_once('#').expect("a code").1.to_owned();
    let (first, second) = (code(&first), code(&second));
    let opened = test
        .server
        .people
        .open_invitation(&first)
        .await
        .expect("opened");
    let for_the_first = card.enrolment(&first, &opened);
    let stolen = Enrolment {
        code: second,
        ..for_the_first.clone()
    };
    let rejected = test.server.people.enrol(&stolen).await;
    assert!(
        matches!(rejected, Err(PeopleError::Statement(_))),
        "{rejected:?}"
    );
    // A statement that is signed by another key than the enrolled one.
    let mut other = Card::new("OTHER1");
    let statement: EnrolmentStatement = for_the_first
        .statement
        .as_ref()
        .map(Envelope::peek)
        .expect("one")
        .expect("readable");
    let forged = Enrolment {
        statement: Some(other.seal(&statement)),
        ..for_the_first.clone()
    };
    let rejected = test.server.people.enrol(&forged).await;
    assert!(
        matches!(rejected, Err(PeopleError::Statement(_))),
        "{rejected:?}"
    );
    test.server
        .people
        .enrol(&for_the_first)
        .await
        .expect("enrolled");
    let again = test.server.people.enrol(&for_the_first).await;
    assert!(matches!(again, Err(PeopleError::Code(_))), "{again:?}");
    test.shutdown().await;
}

/// A server that does not run in demo mode does not trust the simulator's root.
#[tokio::test]
async fn simulated_cards_are_rejected_in_production() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::open(config(folder.path(), false))
        .await
        .expect("opens");
    let (code, _) = server
        .people
        .new_bootstrap_code()
        .await
        .expect("works")
        .expect("a code");
    let bootstrap = countersign_protocol::operator::Bootstrap {
        code,
        name: "Anna".into(),
        mail: None,
    };
    let link = server
        .people
        .bootstrap(&bootstrap)
        .await
        .expect("invited")
        .link;
    let (_, code) = link.split_once('#').expect("a code");
    let opened = server.people.open_invitation(code).await.expect("opened");
    let mut card = Card::new("ANNA01");
    let error = server
        .people
        .enrol(&card.enrolment(code, &opened))
        .await
        .expect_err("rejected");
    let error = of_attestation(error);
    assert!(
        matches!(error, AttestationError::Chain(ChainError::SimulatedRoot(_))),
        "{error:?}"
    );
}

/// With the tests' own hierarchy, each signature of the chain can be forged.
#[tokio::test]
async fn every_signature_of_the_chain_is_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root.cvc");
    std::fs::write(&root, pki::root()).expect("written");
    let mut trusting = config(folder.path(), false);
    trusting.anchors.push(AnchorConfig {
        name: "our own".into(),
        file: root,
    });
    let server = Server::open(trusting).await.expect("opens");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let stranger = Server::open(config(elsewhere.path(), false))
        .await
        .expect("opens");

    let good = pki::good();
    let verify = |server: &Server, file: &PkaFile| attestation::verify(file, &server.anchors);
    let attested = verify(&server, &good).expect("good evidence");
    assert_eq!(attested.device().anchor(), "our own");

    // The same attestation at a server that does not trust its root.
    let error = verify(&stranger, &good).expect_err("rejected");
    assert!(
        matches!(error, AttestationError::Chain(ChainError::UnknownRoot(_))),
        "{error:?}"
    );

    // A device certificate that the issuer did not sign.
    let forged = PkaFile {
        chain: pki::chain(&pki::key(9)),
        ..good.clone()
    };
    let error = verify(&server, &forged).expect_err("rejected");
    assert!(
        matches!(
            error,
            AttestationError::Chain(ChainError::DeviceSignature { .. })
        ),
        "{error:?}"
    );

    // A public key that was replaced before the device attested it, so it did not sign its own request.
    let swapped = pki::request(&pki::key(5), |inner| {
        if let Some(last) = inner.last_mut() {
            *last ^= 1;
        }
    });
    let forged = PkaFile {
        request: swapped,
        ..good.clone()
    };
    let error = verify(&server, &forged).expect_err("rejected");
    assert!(
        matches!(error, AttestationError::InnerSignature(_)),
        "{error:?}"
    );

    // An enrolment with each of the forged files is rejected as well.
    let (code, _) = server
        .people
        .new_bootstrap_code()
        .await
        .expect("works")
        .expect("a code");
    let bootstrap = Bootstrap {
        code,
        name: "Anna".into(),
        mail: None,
    };
    let link = server
        .people
        .bootstrap(&bootstrap)
        .await
        .expect("invited")
        .link;
    let (_, code) = link.split_once('#').expect("a code");
    for file in [
        forged,
        PkaFile {
            chain: pki::chain(&pki::key(9)),
            ..good
        },
    ] {
        let enrolment = Enrolment {
            code: code.into(),
            pka: Base64(file.to_old_format()),
            statement: None,
        };
        let rejected = server.people.enrol(&enrolment).await;
        assert!(
            matches!(rejected, Err(PeopleError::Attestation(_))),
            "{rejected:?}"
        );
    }
}
