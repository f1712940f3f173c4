//! Logging in, enrolling and approving: what is shown, what is signed, what a wrong PIN does.

use countersign_helper::prompt::played::Shown;
use countersign_protocol::{
    activation::ApprovalEvidence,
    cvc::{Curve, EcSignature, PkaFile, attestation},
    digest::Sha256Digest,
    helper::{Answer, EnrolKey, HelperErrorCode, Operation, Step},
    purpose::{Purpose, Scope},
    statement::{Approval, EnrolmentStatement, LoginStatement},
    task::Task,
};

use crate::support::{ORIGIN, PlayedCard, Portal, Rig, anchors, silent, wait_until};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn evidence(answer: Result<Answer, countersign_protocol::helper::HelperError>) -> ApprovalEvidence {
    match answer {
        Ok(Answer::Approved { evidence }) => *evidence,
        other => panic!("{other:?}"),
    }
}

/// What the server and the HSM would check.
fn check(rig: &Rig, evidence: &ApprovalEvidence, challenge: &[u8]) -> Approval {
    let card = rig.card();
    assert_eq!(evidence.challenge.as_bytes(), challenge);
    let approval: Approval = evidence.statement.verify(&card.public_key).unwrap();
    let expected = Approval::new(
        &rig.server.terms(),
        Sha256Digest::of(rig.server.hsm.device.raw()),
        challenge,
        rig.server.fingerprint(),
        card.key,
        approval.predicate.at,
    );
    assert_eq!(approval, expected);
    let input = [rig.server.hsm.device.chr().as_bytes(), challenge].concat();
    let response =
        EcSignature::from_plain(evidence.response.as_bytes(), Curve::BrainpoolP256r1).unwrap();
    card.public_key
        .verify_prehash(Sha256Digest::of(&input).as_bytes(), &response)
        .unwrap();
    approval
}

fn approve(
    rig: &Rig,
    portal: &mut Portal,
    challenge: &[u8],
) -> Result<Answer, countersign_protocol::helper::HelperError> {
    portal.ask(Operation::Approve {
        task: rig.server.approve(rig.card().key, challenge),
    })
}

#[test]
fn a_login_is_bound_to_page_server_and_nonce() {
    let rig = Rig::with_card();
    let answer = rig.portal().ask(Operation::LogIn {
        task: rig.server.log_in(),
        key: rig.card().key,
    });
    let Ok(Answer::Statement { statement }) = answer else {
        panic!("{answer:?}")
    };
    let login: LoginStatement = statement.verify(&rig.card().public_key).unwrap();
    assert_eq!(
        (login.origin.as_str(), login.nonce.as_str()),
        (ORIGIN, "nonce-1")
    );
    assert_eq!(
        (login.server_key, login.key),
        (rig.server.fingerprint(), rig.card().key)
    );
}

#[test]
fn an_existing_key_is_enrolled() {
    let rig = Rig::with_card();
    let key = EnrolKey::Existing {
        fingerprint: rig.card().key,
    };
    let card = rig.card().device.id().clone();
    let answer = rig.portal().ask(Operation::Enrol {
        task: rig.server.enrol(),
        card,
        key,
    });
    let Ok(Answer::Enrolled { pka, statement }) = answer else {
        panic!("{answer:?}")
    };
    let attested =
        attestation::verify(&PkaFile::parse(pka.as_bytes()).unwrap(), &anchors()).unwrap();
    assert_eq!(attested.fingerprint(), rig.card().key);
    let enrolment: EnrolmentStatement = statement.verify(attested.public_key()).unwrap();
    assert_eq!(enrolment.person, "Anna Example");
    assert_eq!(
        (enrolment.origin.as_str(), enrolment.nonce.as_str()),
        (ORIGIN, "nonce-2")
    );
    let Shown::Consent(text) = &rig.user.shown()[0] else {
        panic!()
    };
    for fact in [
        "Anna Example",
        "custodian",
        ORIGIN,
        "inv-1",
        &rig.card().key.words().join(" "),
    ] {
        assert!(text.contains(fact), "{fact} in {text}");
    }
}

#[test]
fn a_new_key_is_generated_and_enrolled() {
    let rig = Rig::with_card();
    let key = EnrolKey::Generate {
        label: "second".to_owned(),
        chr: "DEANNA00001".parse().unwrap(),
    };
    let card = rig.card().device.id().clone();
    let mut portal = rig.portal();
    let answer = portal.ask(Operation::Enrol {
        task: rig.server.enrol(),
        card,
        key,
    });
    let Ok(Answer::Enrolled { pka, statement }) = answer else {
        panic!("{answer:?}")
    };
    assert!(
        portal.steps.contains(&Step::GeneratingKey),
        "{:?}",
        portal.steps
    );
    let file = PkaFile::parse(pka.as_bytes()).unwrap();
    let attested = attestation::verify(&file, &anchors()).unwrap();
    assert_eq!(attested.chr().as_str(), "DEANNA00001");
    assert_eq!(file.request.inner_car(), attested.chr());
    attested.check_custodian_policy().unwrap();
    assert_ne!(attested.fingerprint(), rig.card().key);
    let enrolment: EnrolmentStatement = statement.verify(attested.public_key()).unwrap();
    assert_eq!(enrolment.key, attested.fingerprint());
}

#[test]
fn bad_names_of_new_keys_are_refused_unasked() {
    let rig = Rig::with_card();
    for (label, chr) in [
        ("x", "deanna00001"),
        ("", "DEANNA00001"),
        ("a\u{202E}b", "DEANNA00001"),
    ] {
        let key = EnrolKey::Generate {
            label: label.to_owned(),
            chr: chr.parse().unwrap(),
        };
        let card = rig.card().device.id().clone();
        let error = rig
            .portal()
            .ask(Operation::Enrol {
                task: rig.server.enrol(),
                card,
                key,
            })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::Invalid);
    }
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn an_approval_says_what_was_shown() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    let approval = check(
        &rig,
        &evidence(approve(&rig, &mut portal, &CHALLENGE)),
        &CHALLENGE,
    );
    assert_eq!(
        portal.steps,
        [Step::WaitingForConsent, Step::WaitingForPin, Step::Signing]
    );
    let [Shown::Consent(text), Shown::Pin(pin)] = &rig.user.shown()[..] else {
        panic!()
    };
    let terms = &approval.predicate.terms;
    let manifest = countersign_helper::prompt::text::grouped(&match &rig.server.terms().purpose {
        Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } => files.digest().to_string(),
        _ => panic!(),
    });
    let mut facts = vec![
        terms.activation.as_str().to_owned(),
        terms.hsm.id.to_string(),
        rig.server.hsm.device.chr().holder().to_owned(),
        terms.requester.name.clone(),
        terms.reason.clone(),
        "2 h".to_owned(),
        "2 signatures".to_owned(),
        terms.quorum.to_string(),
        "fit-2026".to_owned(),
        "2026-10-02 14:05".to_owned(),
        "Ben".to_owned(),
        ORIGIN.to_owned(),
        rig.server.fingerprint().words().join(" "),
        rig.card().device.id().serial().to_owned(),
        manifest,
    ];
    for subject in &approval.subject {
        facts.extend([subject.name.clone(), subject.digest.to_string()]);
    }
    for fact in facts {
        assert!(text.contains(&fact), "{fact} in {text}");
    }
    assert!(pin.contains("tries left") && pin.contains("8K3F"), "{pin}");
}

#[test]
fn an_open_scope_is_flagged() {
    let rig = Rig::with_card().enrolled();
    let mut task = rig.server.approve_task(rig.card().key, &CHALLENGE);
    let Purpose::Sign { keys, .. } = task.terms.purpose else {
        panic!()
    };
    task.terms.purpose = Purpose::Sign {
        keys,
        scope: Scope::Open,
    };
    let task = rig.server.task(Task::Approve(Box::new(task)));
    rig.portal().ask(Operation::Approve { task }).unwrap();
    let Shown::Consent(text) = &rig.user.shown()[0] else {
        panic!()
    };
    assert!(
        text.contains("OPEN SCOPE") && text.contains("ANY content"),
        "{text}"
    );
}

#[test]
fn a_fresh_challenge_is_answered_in_the_same_session() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    let before = rig.verify_count();
    check(
        &rig,
        &evidence(approve(&rig, &mut portal, &CHALLENGE)),
        &CHALLENGE,
    );
    let shown = rig.user.shown();
    let again = rig.server.approve(rig.card().key, &[9; 16]);
    check(
        &rig,
        &evidence(portal.ask(Operation::ApproveAgain { task: again })),
        &[9; 16],
    );
    assert_eq!(rig.user.shown(), shown);
    assert_eq!(rig.verify_count() - before, 1);
    assert_eq!(portal.ask(Operation::Finish), Ok(Answer::Finished));
    let late = rig.server.approve(rig.card().key, &[7; 8]);
    let error = portal
        .ask(Operation::ApproveAgain { task: late })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Invalid);
}

#[test]
fn other_terms_end_the_session() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    approve(&rig, &mut portal, &CHALLENGE).unwrap();
    let signed = rig.sign_count();
    let mut other = rig.server.approve_task(rig.card().key, &[9; 8]);
    other.terms.lease.signatures += 1;
    let task = rig.server.task(Task::Approve(Box::new(other)));
    let error = portal.ask(Operation::ApproveAgain { task }).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRefused);
    let same = rig.server.approve(rig.card().key, &[9; 8]);
    portal
        .ask(Operation::ApproveAgain { task: same })
        .unwrap_err();
    assert_eq!(rig.sign_count(), signed);
}

#[test]
fn a_closed_page_frees_the_card() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    approve(&rig, &mut portal, &CHALLENGE).unwrap();
    let mut other = rig.portal();
    assert_eq!(
        approve(&rig, &mut other, &CHALLENGE).unwrap_err().code,
        HelperErrorCode::Busy
    );
    drop(portal);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while let Err(error) = approve(&rig, &mut other, &CHALLENGE) {
        assert_eq!(error.code, HelperErrorCode::Busy);
        assert!(std::time::Instant::now() < until, "the card was not freed");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn false_hsms_and_challenges_are_refused_unasked() {
    let rig = Rig::with_card().enrolled();
    let good = rig.server.approve_task(rig.card().key, &CHALLENGE);
    let mut broken = Vec::new();
    for length in [0, 7, 33, 200] {
        let mut task = good.clone();
        task.challenge.0 = vec![1; length];
        broken.push(task);
    }
    // Another genuine device than the terms name.
    let mut task = good.clone();
    task.device_certificates.0 = rig.card().device.chain().to_ef();
    broken.push(task);
    // A doctored certificate.
    let mut task = good.clone();
    let end = rig.server.hsm.device.raw().len() - 1;
    task.device_certificates.0[end] ^= 1;
    broken.push(task);
    let mut task = good.clone();
    task.device_certificates.0.clear();
    broken.push(task);
    // Over.
    let mut task = good.clone();
    task.terms.expires_at = "2020-01-01T00:00:00Z".parse().unwrap();
    broken.push(task);
    for task in broken {
        let task = rig.server.task(Task::Approve(Box::new(task)));
        let error = rig.portal().ask(Operation::Approve { task }).unwrap_err();
        assert_eq!(error.code, HelperErrorCode::TaskRefused, "{error}");
    }
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn the_signing_hsm_is_never_a_custodians_card() {
    let rig = Rig::with_card().enrolled();
    let mut task = rig.server.approve_task(rig.card().key, &CHALLENGE);
    task.terms.hsm.device = rig.card().device.id().clone();
    task.device_certificates.0 = rig.card().device.chain().to_ef();
    let task = rig.server.task(Task::Approve(Box::new(task)));
    let error = rig.portal().ask(Operation::Approve { task }).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardMissing);
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn an_unknown_key_is_missing() {
    let rig = Rig::with_card().enrolled();
    let key = countersign_protocol::cvc::Fingerprint([3; 32]);
    let error = rig
        .portal()
        .ask(Operation::LogIn {
            task: rig.server.log_in(),
            key,
        })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardMissing);
    assert_eq!(rig.user.shown(), []);
}

#[test]
fn one_try_per_consent_and_none_without() {
    let rig = Rig::with_card().enrolled();
    let before = rig.verify_count();
    rig.user.next_pin(Some("000000"));
    let error = approve(&rig, &mut rig.portal(), &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinWrong);
    assert!(
        error.message.contains("2 tries left") && error.message.contains("Nothing was sent"),
        "{error}"
    );
    assert_eq!(rig.verify_count() - before, 1);
    assert_eq!(rig.sign_count(), 0);
    // The page goes on asking; the user doesn't.
    rig.user.consents(false);
    let mut portal = rig.portal();
    for _ in 0..8 {
        approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
        let task = rig.server.approve(rig.card().key, &[5; 8]);
        portal.ask(Operation::ApproveAgain { task }).unwrap_err();
        portal
            .ask(Operation::LogIn {
                task: rig.server.log_in(),
                key: rig.card().key,
            })
            .unwrap_err();
    }
    rig.user.consents(true);
    rig.user.pins(None);
    let error = approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinCancelled);
    assert_eq!(rig.verify_count() - before, 1);
    assert_eq!(rig.sign_count(), 0);
}

#[test]
fn the_last_try_needs_a_second_yes() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    for _ in 0..2 {
        rig.user.next_pin(Some("000000"));
        approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
    }
    let before = rig.verify_count();
    rig.user.next_consent(true);
    rig.user.next_consent(false);
    let error = approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinCancelled);
    let Some(Shown::Consent(text)) = rig.user.shown().pop() else {
        panic!()
    };
    assert!(text.contains("last PIN try"), "{text}");
    assert_eq!(rig.verify_count(), before);
    // Blocked: refused without a prompt for the PIN.
    rig.user.next_pin(Some("000000"));
    let error = approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinBlocked);
    let shown = rig.user.shown().len();
    let error = approve(&rig, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinBlocked);
    assert!(
        !rig.user.shown()[shown..]
            .iter()
            .any(|prompt| matches!(prompt, Shown::Pin(_)))
    );
}

#[test]
fn several_cards_and_the_right_one_is_chosen() {
    let rig = Rig::start(vec![PlayedCard::brainpool(1), PlayedCard::brainpool(2)]).enrolled();
    let second = &rig.cards[1];
    let task = rig.server.approve(second.key, &CHALLENGE);
    let evidence = evidence(rig.portal().ask(Operation::Approve { task }));
    let approval: Approval = evidence.statement.verify(&second.public_key).unwrap();
    assert_eq!(approval.predicate.key, second.key);
}

#[test]
fn a_page_that_leaves_while_the_user_reads_gets_nothing_signed() {
    let rig = Rig::with_card().enrolled();
    rig.user.hesitates();
    let mut portal = rig.portal();
    let task = rig.server.approve(rig.card().key, &CHALLENGE);
    portal.post(Operation::Approve { task });
    wait_until(|| !rig.user.shown().is_empty());
    // Another page has to wait meanwhile.
    let mut other = rig.portal();
    let error = approve(&rig, &mut other, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Busy);
    // So has the same page.
    assert_eq!(
        portal.ask(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Busy
    );
    drop(portal);
    wait_until(|| approve(&rig, &mut other, &CHALLENGE).is_ok());
    // The late yes counted for nothing: only the other page's approval was signed.
    assert_eq!((rig.verify_count(), rig.sign_count()), (1, 2));
}

#[test]
fn the_session_is_bounded_and_its_end_logs_the_card_out() {
    let rig = Rig::with_card().enrolled();
    let mut page = rig.conversation();
    let task = rig.server.approve(rig.card().key, &CHALLENGE);
    page.answer(Operation::Approve { task }, &silent()).unwrap();
    let ends = page.session_ends().unwrap();
    assert!(ends <= std::time::Instant::now() + std::time::Duration::from_secs(60));
    page.end_session();
    assert_eq!(page.session_ends(), None);
    assert_eq!(rig.card().pin_status(), [0x63, 0xC3]);
}

#[test]
fn a_dropped_conversation_logs_the_card_out() {
    let rig = Rig::with_card().enrolled();
    let mut page = rig.conversation();
    let task = rig.server.approve(rig.card().key, &CHALLENGE);
    page.answer(Operation::Approve { task }, &silent()).unwrap();
    drop(page);
    assert_eq!(rig.card().pin_status(), [0x63, 0xC3]);
}

#[test]
fn a_pulled_card_is_lost_with_its_session() {
    let rig = Rig::with_card().enrolled();
    let mut portal = rig.portal();
    approve(&rig, &mut portal, &CHALLENGE).unwrap();
    rig.card().simulator.remove();
    let again = || Operation::ApproveAgain {
        task: rig.server.approve(rig.card().key, &[2; 8]),
    };
    let error = portal.ask(again()).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardLost, "{error}");
    rig.card().simulator.insert();
    assert_eq!(
        portal.ask(again()).unwrap_err().code,
        HelperErrorCode::Invalid
    );
    let shown = rig.user.shown().len();
    approve(&rig, &mut portal, &CHALLENGE).unwrap();
    assert_eq!(rig.user.shown().len(), shown + 2);
}

#[test]
fn another_card_in_the_reader_gets_no_pin() {
    let rig = Rig::with_card().enrolled();
    // Between consent and PIN somebody else uses up a try: what was shown is no longer true.
    rig.user.hesitates();
    let mut portal = rig.portal();
    let task = rig.server.approve(rig.card().key, &CHALLENGE);
    portal.post(Operation::Approve { task });
    wait_until(|| !rig.user.shown().is_empty());
    rig.card().waste_a_try();
    rig.user.goes_on();
    let error = portal.reply().1.unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardLost);
    assert_eq!(rig.verify_count(), 0);
}
