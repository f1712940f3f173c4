//! Log-in, enrolment and approval: what is shown, what is signed, and what a wrong PIN does.

use countersign_helper::{origin::OriginStore, prompt::scripted::Shown};
use countersign_protocol::{
    Timestamp,
    activation::SignedApproval,
    cvc::{Curve, EcSignature, Fingerprint, PkaFile, attestation},
    digest::Sha256Digest,
    helper::{Answer, EnrolKey, HelperErrorCode, Operation, Step},
    purpose::{Purpose, Scope},
    statement::{Approval, EnrolmentStatement, LoginStatement},
    task::{ServerTask, Task},
};
use jiff::SignedDuration;

use crate::support::{ORIGIN, Portal, TestCard, TestHelper, anchors, silent, wait_until};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn signed(answer: Result<Answer, countersign_protocol::helper::HelperError>) -> SignedApproval {
    match answer {
        Ok(Answer::Approved { approval }) => *approval,
        other => panic!("{other:?}"),
    }
}

/// Checks what the server and the HSM would check.
fn check(helper: &TestHelper, signed: &SignedApproval, challenge: &[u8]) -> Approval {
    let card = helper.card();
    assert_eq!(signed.challenge.as_bytes(), challenge);
    let approval: Approval = signed.statement.verify(&card.public_key).unwrap();
    let expected = Approval::new(
        &helper.server.terms(),
        Sha256Digest::of(helper.server.hsm.device.raw()),
        challenge,
        helper.server.fingerprint(),
        card.key,
        approval.predicate.at,
    );
    assert_eq!(approval, expected);
    let input = [helper.server.hsm.device.chr().as_bytes(), challenge].concat();
    let response =
        EcSignature::from_plain(signed.response.as_bytes(), Curve::BrainpoolP256r1).unwrap();
    card.public_key
        .verify_prehash(Sha256Digest::of(&input).as_bytes(), &response)
        .unwrap();
    approval
}

fn approve(
    helper: &TestHelper,
    portal: &mut Portal,
    challenge: &[u8],
) -> Result<Answer, countersign_protocol::helper::HelperError> {
    portal.request(Operation::Approve {
        task: helper.server.approve(helper.card().key, challenge),
    })
}

#[test]
fn a_login_is_bound_to_page_server_and_nonce() {
    let helper = TestHelper::with_card();
    let answer = helper.portal().request(Operation::LogIn {
        task: helper.server.log_in(),
        key: helper.card().key,
    });
    let Ok(Answer::Statement { statement }) = answer else {
        panic!("{answer:?}")
    };
    let login: LoginStatement = statement.verify(&helper.card().public_key).unwrap();
    assert_eq!(
        (login.origin.as_str(), login.nonce.as_str()),
        (ORIGIN, "nonce-1")
    );
    assert_eq!(
        (login.server_key, login.key),
        (helper.server.fingerprint(), helper.card().key)
    );
}

#[test]
fn an_existing_key_is_enrolled() {
    let helper = TestHelper::with_card();
    let key = EnrolKey::Existing {
        fingerprint: helper.card().key,
    };
    let card = helper.card().device.id().clone();
    let answer = helper.portal().request(Operation::Enrol {
        task: helper.server.enrol(),
        card,
        key,
    });
    let Ok(Answer::Enrolled { pka, statement }) = answer else {
        panic!("{answer:?}")
    };
    let attested =
        attestation::verify(&PkaFile::parse(pka.as_bytes()).unwrap(), &anchors()).unwrap();
    assert_eq!(attested.fingerprint(), helper.card().key);
    let enrolment: EnrolmentStatement = statement.verify(attested.public_key()).unwrap();
    assert_eq!(enrolment.person, "Anna Example");
    assert_eq!(
        (enrolment.origin.as_str(), enrolment.nonce.as_str()),
        (ORIGIN, "nonce-2")
    );
    let Shown::Consent(text) = &helper.user.shown()[0] else {
        panic!()
    };
    for fact in [
        "Anna Example",
        "custodian",
        ORIGIN,
        "inv-1",
        &helper.card().key.words().join(" "),
    ] {
        assert!(text.contains(fact), "{fact} in {text}");
    }
}

#[test]
fn a_new_key_is_generated_and_enrolled() {
    let helper = TestHelper::with_card();
    let key = EnrolKey::Generate {
        label: "second".to_owned(),
        chr: "DEANNA00001".parse().unwrap(),
    };
    let card = helper.card().device.id().clone();
    let mut portal = helper.portal();
    let answer = portal.request(Operation::Enrol {
        task: helper.server.enrol(),
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
    assert_ne!(attested.fingerprint(), helper.card().key);
    let enrolment: EnrolmentStatement = statement.verify(attested.public_key()).unwrap();
    assert_eq!(enrolment.key, attested.fingerprint());
}

#[test]
fn invalid_names_of_new_keys_are_refused_without_a_prompt() {
    let helper = TestHelper::with_card();
    for (label, chr) in [
        ("x", "deanna00001"),
        ("", "DEANNA00001"),
        ("a\u{202E}b", "DEANNA00001"),
    ] {
        let key = EnrolKey::Generate {
            label: label.to_owned(),
            chr: chr.parse().unwrap(),
        };
        let card = helper.card().device.id().clone();
        let error = helper
            .portal()
            .request(Operation::Enrol {
                task: helper.server.enrol(),
                card,
                key,
            })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::Invalid);
    }
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn every_fact_of_an_approval_is_shown() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    let approval = check(
        &helper,
        &signed(approve(&helper, &mut portal, &CHALLENGE)),
        &CHALLENGE,
    );
    assert_eq!(
        portal.steps,
        [Step::WaitingForConsent, Step::WaitingForPin, Step::Signing]
    );
    let [Shown::Consent(text), Shown::Pin(pin)] = &helper.user.shown()[..] else {
        panic!()
    };
    let terms = &approval.predicate.terms;
    let manifest =
        countersign_helper::prompt::text::grouped(&match &helper.server.terms().purpose {
            Purpose::Sign {
                scope: Scope::Manifest { files },
                ..
            } => files.digest().to_string(),
            _ => panic!(),
        });
    let mut facts = vec![
        terms.activation.as_str().to_owned(),
        terms.hsm.id.to_string(),
        helper.server.hsm.device.chr().holder().to_owned(),
        terms.requester.name.clone(),
        terms.reason.clone(),
        "2 h".to_owned(),
        "2 signatures".to_owned(),
        terms.quorum.to_string(),
        "fit-2026".to_owned(),
        "2026-10-02 14:05 UTC".to_owned(),
        "2099-01-01 00:00 UTC".to_owned(),
        "1 of 2 so far (Ben); yours opens the HSM".to_owned(),
        ORIGIN.to_owned(),
        helper.server.fingerprint().words().join(" "),
        helper.card().device.id().serial().to_owned(),
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
fn any_content_is_shown_with_a_warning() {
    let helper = TestHelper::with_card().enrolled();
    let mut task = helper.server.approve_task(helper.card().key, &CHALLENGE);
    let Purpose::Sign { keys, .. } = task.terms.purpose else {
        panic!()
    };
    task.terms.purpose = Purpose::Sign {
        keys,
        scope: Scope::Open,
    };
    let task = helper.server.task(Task::Approve(Box::new(task)));
    helper
        .portal()
        .request(Operation::Approve { task })
        .unwrap();
    let Shown::Consent(text) = &helper.user.shown()[0] else {
        panic!()
    };
    assert!(
        text.contains("NO FILE LIST") && text.contains("ANY content"),
        "{text}"
    );
}

#[test]
fn a_remote_hsm_is_shown_with_a_warning() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    for remote in [false, true] {
        let mut task = helper.server.approve_task(helper.card().key, &CHALLENGE);
        task.remote = remote;
        let task = helper.server.task(Task::Approve(Box::new(task)));
        portal.request(Operation::Approve { task }).unwrap();
        let shown = helper.user.shown();
        let consent = shown.iter().rev().find_map(|shown| match shown {
            Shown::Consent(text) => Some(text),
            _ => None,
        });
        assert_eq!(consent.unwrap().contains("REMOTE HSM"), remote);
    }
}

#[test]
fn a_misleading_file_name_is_refused_without_a_prompt() {
    let helper = TestHelper::with_card().enrolled();
    let mut task = helper.server.approve_task(helper.card().key, &CHALLENGE);
    let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &mut task.terms.purpose
    else {
        panic!()
    };
    let mut listed = files.files().to_vec();
    listed[0].name = "gnp.\u{202E}exe".to_owned();
    // Only reading accepts such a name.
    *files = listed.try_into().unwrap();
    let task = helper.server.task(Task::Approve(Box::new(task)));
    let error = helper
        .portal()
        .request(Operation::Approve { task })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected);
    assert!(error.message.contains("U+202E"), "{}", error.message);
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn a_fresh_challenge_is_signed_in_the_same_session() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    let before = helper.verify_count();
    check(
        &helper,
        &signed(approve(&helper, &mut portal, &CHALLENGE)),
        &CHALLENGE,
    );
    let shown = helper.user.shown();
    let again = helper.server.approve(helper.card().key, &[9; 8]);
    check(
        &helper,
        &signed(portal.request(Operation::ApproveAgain { task: again })),
        &[9; 8],
    );
    assert_eq!(helper.user.shown(), shown);
    assert_eq!(helper.verify_count() - before, 1);
    assert_eq!(portal.request(Operation::Finish), Ok(Answer::Finished));
    let late = helper.server.approve(helper.card().key, &[7; 8]);
    let error = portal
        .request(Operation::ApproveAgain { task: late })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Invalid);
}

#[test]
fn an_hsm_of_another_server_is_approved_only_after_a_warning() {
    const OTHER: &str = "https://other.example";
    let helper = TestHelper::with_card().enrolled();
    approve(&helper, &mut helper.portal(), &CHALLENGE).unwrap();
    // The helper knows the HSM after a restart.
    let (again, user) = helper.restarted();
    let origins = OriginStore::new(helper.config.path());
    let other = OTHER.parse().unwrap();
    origins.pin(&other, &helper.server.fingerprint()).unwrap();
    let task = || {
        let task = helper.server.approve_task(helper.card().key, &CHALLENGE);
        let task = Task::Approve(Box::new(task));
        Operation::Approve {
            task: helper.server.task_for(OTHER, 300, task),
        }
    };
    let consents = || -> Vec<String> {
        let shown = user.shown().into_iter();
        shown
            .filter_map(|shown| match shown {
                Shown::Consent(text) => Some(text),
                _ => None,
            })
            .collect()
    };
    let mut page = TestHelper::conversation_with(&again, OTHER);
    user.answer_next_consent(false);
    let error = page.answer(task(), &silent()).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Cancelled);
    let [warning] = &consents()[..] else {
        panic!("more than the warning")
    };
    let hsm = helper.server.terms().hsm.device.to_string();
    for part in ["WARNING", &hsm, ORIGIN, OTHER] {
        assert!(warning.contains(part), "{warning}");
    }
    // The warning comes each time, also after an approval.
    for number in [3, 5] {
        page.answer(task(), &silent()).unwrap();
        assert_eq!(consents().len(), number);
    }
    // The first server is the other one now.
    let mut first = TestHelper::conversation_with(&again, ORIGIN);
    let own = helper.server.approve(helper.card().key, &CHALLENGE);
    page.end_session();
    first
        .answer(Operation::Approve { task: own }, &silent())
        .unwrap();
    assert_eq!(consents().len(), 7);
    first.end_session();
    assert!(origins.forget(&ORIGIN.parse().unwrap()).unwrap());
    page.answer(task(), &silent()).unwrap();
    assert_eq!(consents().len(), 8, "no warning without the other server");
}

#[test]
fn a_changed_request_ends_the_session() {
    let helper = TestHelper::with_card().enrolled();
    let server = &helper.server;
    let again = || server.approve_task(helper.card().key, &[9; 8]);
    let mut terms = again();
    terms.terms.lease.signatures += 1;
    let mut key = again();
    key.key = Fingerprint([3; 32]);
    // The same request, but the consent showed another name of the server.
    let mut named = ServerTask {
        server: server.identity(ORIGIN),
        expires_at: Timestamp::now() + SignedDuration::from_secs(300),
        task: Task::Approve(Box::new(again())),
    };
    named.server.name = "Another name".to_owned();
    let tasks = [
        server.task(Task::Approve(Box::new(terms))),
        server.task(Task::Approve(Box::new(key))),
        server.sign(&named),
    ];
    for task in tasks {
        let mut portal = helper.portal();
        approve(&helper, &mut portal, &CHALLENGE).unwrap();
        let signed = helper.sign_count();
        let error = portal
            .request(Operation::ApproveAgain { task })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
        let same = server.approve(helper.card().key, &[9; 8]);
        portal
            .request(Operation::ApproveAgain { task: same })
            .unwrap_err();
        assert_eq!(helper.sign_count(), signed);
    }
}

#[test]
fn a_closed_page_releases_the_card() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    approve(&helper, &mut portal, &CHALLENGE).unwrap();
    let mut other = helper.portal();
    assert_eq!(
        approve(&helper, &mut other, &CHALLENGE).unwrap_err().code,
        HelperErrorCode::Busy
    );
    drop(portal);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while let Err(error) = approve(&helper, &mut other, &CHALLENGE) {
        assert_eq!(error.code, HelperErrorCode::Busy);
        assert!(
            std::time::Instant::now() < until,
            "the card was not released"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn invalid_hsms_and_challenges_are_refused_without_a_prompt() {
    let helper = TestHelper::with_card().enrolled();
    let good = helper.server.approve_task(helper.card().key, &CHALLENGE);
    let mut broken = Vec::new();
    for length in [0, 7, 33, 200] {
        let mut task = good.clone();
        task.challenge.0 = vec![1; length];
        broken.push(task);
    }
    // A genuine device, but not the one that the terms name.
    let mut task = good.clone();
    task.device_certificates.0 = helper.card().device.chain().to_ef();
    broken.push(task);
    // A modified certificate.
    let mut task = good.clone();
    let end = helper.server.hsm.device.raw().len() - 1;
    task.device_certificates.0[end] ^= 1;
    broken.push(task);
    let mut task = good.clone();
    task.device_certificates.0.clear();
    broken.push(task);
    // An expired request.
    let mut task = good.clone();
    task.terms.expires_at = "2020-01-01T00:00:00Z".parse().unwrap();
    broken.push(task);
    for task in broken {
        let task = helper.server.task(Task::Approve(Box::new(task)));
        let error = helper
            .portal()
            .request(Operation::Approve { task })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
    }
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn the_signing_hsm_is_not_used_as_a_custodians_card() {
    let helper = TestHelper::with_card().enrolled();
    let mut task = helper.server.approve_task(helper.card().key, &CHALLENGE);
    task.terms.hsm.device = helper.card().device.id().clone();
    task.device_certificates.0 = helper.card().device.chain().to_ef();
    let task = helper.server.task(Task::Approve(Box::new(task)));
    let error = helper
        .portal()
        .request(Operation::Approve { task })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardMissing);
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn an_unknown_key_is_reported_as_missing() {
    let helper = TestHelper::with_card().enrolled();
    let key = Fingerprint([3; 32]);
    let error = helper
        .portal()
        .request(Operation::LogIn {
            task: helper.server.log_in(),
            key,
        })
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardMissing);
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn each_consent_uses_at_most_one_pin_try() {
    let helper = TestHelper::with_card().enrolled();
    let before = helper.verify_count();
    helper.user.enter_next_pin(Some("000000"));
    let error = approve(&helper, &mut helper.portal(), &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinWrong);
    assert!(
        error.message.contains("2 tries left") && error.message.contains("Nothing was sent"),
        "{error}"
    );
    assert_eq!(helper.verify_count() - before, 1);
    assert_eq!(helper.sign_count(), 0);
    // The page keeps sending requests, but the user cancels. A fifth cancelled consent would make the page wait.
    helper.user.answer_consents(false);
    let mut portal = helper.portal();
    for _ in 0..2 {
        approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
        let task = helper.server.approve(helper.card().key, &[5; 8]);
        portal
            .request(Operation::ApproveAgain { task })
            .unwrap_err();
        portal
            .request(Operation::LogIn {
                task: helper.server.log_in(),
                key: helper.card().key,
            })
            .unwrap_err();
    }
    helper.user.answer_consents(true);
    helper.user.enter_pin(None);
    let error = approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinCancelled);
    assert_eq!(helper.verify_count() - before, 1);
    assert_eq!(helper.sign_count(), 0);
}

#[test]
fn the_last_pin_try_needs_a_second_consent() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    for _ in 0..2 {
        helper.user.enter_next_pin(Some("000000"));
        approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
    }
    let before = helper.verify_count();
    helper.user.answer_next_consent(true);
    helper.user.answer_next_consent(false);
    let error = approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinCancelled);
    let Some(Shown::Consent(text)) = helper.user.shown().pop() else {
        panic!()
    };
    assert!(text.contains("last PIN try"), "{text}");
    assert_eq!(helper.verify_count(), before);
    // A blocked card is refused without a PIN prompt.
    helper.user.enter_next_pin(Some("000000"));
    let error = approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinBlocked);
    let shown = helper.user.shown().len();
    let error = approve(&helper, &mut portal, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::PinBlocked);
    assert!(
        !helper.user.shown()[shown..]
            .iter()
            .any(|prompt| matches!(prompt, Shown::Pin(_)))
    );
}

#[test]
fn the_card_with_the_requested_key_is_chosen() {
    let helper =
        TestHelper::start(vec![TestCard::with_ec_key(1), TestCard::with_ec_key(2)]).enrolled();
    let second = &helper.cards[1];
    let task = helper.server.approve(second.key, &CHALLENGE);
    let signed = signed(helper.portal().request(Operation::Approve { task }));
    let approval: Approval = signed.statement.verify(&second.public_key).unwrap();
    assert_eq!(approval.predicate.key, second.key);
}

#[test]
fn a_page_that_closes_during_the_prompt_gets_no_signature() {
    let helper = TestHelper::with_card().enrolled();
    helper.user.block_next_consent();
    let mut portal = helper.portal();
    let task = helper.server.approve(helper.card().key, &CHALLENGE);
    portal.post(Operation::Approve { task });
    wait_until(|| !helper.user.shown().is_empty());
    // Another page cannot open a prompt at the same time.
    let mut other = helper.portal();
    let error = approve(&helper, &mut other, &CHALLENGE).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Busy);
    // Neither can the same page.
    assert_eq!(
        portal.request(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Busy
    );
    drop(portal);
    wait_until(|| approve(&helper, &mut other, &CHALLENGE).is_ok());
    // The late consent was ignored: only the other page's approval was signed.
    assert_eq!((helper.verify_count(), helper.sign_count()), (1, 2));
}

#[test]
fn the_session_has_a_time_limit_and_its_end_logs_the_card_out() {
    let helper = TestHelper::with_card().enrolled();
    let mut page = helper.conversation();
    let task = helper.server.approve(helper.card().key, &CHALLENGE);
    page.answer(Operation::Approve { task }, &silent()).unwrap();
    let ends = page.session_ends().unwrap();
    assert!(ends <= std::time::Instant::now() + std::time::Duration::from_secs(60));
    page.end_session();
    assert_eq!(page.session_ends(), None);
    assert_eq!(helper.card().pin_status(), [0x63, 0xC3]);
}

#[test]
fn a_dropped_conversation_logs_the_card_out() {
    let helper = TestHelper::with_card().enrolled();
    let mut page = helper.conversation();
    let task = helper.server.approve(helper.card().key, &CHALLENGE);
    page.answer(Operation::Approve { task }, &silent()).unwrap();
    drop(page);
    assert_eq!(helper.card().pin_status(), [0x63, 0xC3]);
}

#[test]
fn a_removed_card_ends_its_session() {
    let helper = TestHelper::with_card().enrolled();
    let mut portal = helper.portal();
    approve(&helper, &mut portal, &CHALLENGE).unwrap();
    helper.card().simulator.remove();
    let again = || Operation::ApproveAgain {
        task: helper.server.approve(helper.card().key, &[2; 8]),
    };
    let error = portal.request(again()).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardLost, "{error}");
    helper.card().simulator.insert();
    assert_eq!(
        portal.request(again()).unwrap_err().code,
        HelperErrorCode::Invalid
    );
    let shown = helper.user.shown().len();
    approve(&helper, &mut portal, &CHALLENGE).unwrap();
    assert_eq!(helper.user.shown().len(), shown + 2);
}

#[test]
fn a_card_that_changed_after_the_consent_gets_no_pin() {
    let helper = TestHelper::with_card().enrolled();
    // Another program uses up a PIN try between consent and PIN, so the prompt showed an outdated number.
    helper.user.block_next_consent();
    let mut portal = helper.portal();
    let task = helper.server.approve(helper.card().key, &CHALLENGE);
    portal.post(Operation::Approve { task });
    wait_until(|| !helper.user.shown().is_empty());
    helper.card().use_up_a_pin_try();
    helper.user.unblock();
    let error = portal.reply().1.unwrap_err();
    assert_eq!(error.code, HelperErrorCode::CardLost);
    assert_eq!(helper.verify_count(), 0);
}
