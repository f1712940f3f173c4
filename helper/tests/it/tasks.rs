//! Tasks that must be refused without a prompt, and the pinning of the server's key.

use countersign_helper::{
    origin::OriginStore,
    prompt::{PromptError, scripted::Shown},
};
use countersign_protocol::{
    Timestamp,
    cvc::Fingerprint,
    dsse::Envelope,
    helper::{Answer, HelperErrorCode, Operation},
    id::{HsmId, MemberId, OperatorId},
    purpose::{KeyName, KeySet, Purpose, Scope},
    task::{ApproveTask, ServerTask, Task},
};
use jiff::SignedDuration;

use crate::support::{ORIGIN, Server, TestHelper, silent};

fn log_in(helper: &TestHelper, task: Envelope) -> Operation {
    Operation::LogIn {
        task,
        key: helper.card().key,
    }
}

fn refused_without_prompt(helper: &TestHelper, operation: Operation, words: &str) {
    let before = helper.user.shown();
    let error = helper.portal().request(operation).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
    assert!(error.message.contains(words), "{error}");
    assert_eq!(helper.user.shown(), before, "a prompt was opened");
    assert_eq!(helper.sign_count(), 0);
}

fn login_task() -> Task {
    Task::LogIn {
        nonce: "n".to_owned(),
    }
}

#[test]
fn a_task_for_another_page_is_refused() {
    let helper = TestHelper::with_card();
    let task = helper
        .server
        .task_for("https://evil.example", 300, login_task());
    refused_without_prompt(&helper, log_in(&helper, task), "https://evil.example");
}

#[test]
fn an_expired_task_is_refused() {
    let helper = TestHelper::with_card();
    let task = helper.server.task_for(ORIGIN, -1, login_task());
    refused_without_prompt(&helper, log_in(&helper, task), "expired");
}

#[test]
fn a_task_with_a_wrong_signature_is_refused() {
    let helper = TestHelper::with_card();
    let good = helper.server.log_in();
    let mut flipped = good.clone();
    let end = flipped.signatures[0].sig.0.len() - 1;
    flipped.signatures[0].sig.0[end] ^= 1;
    let mut none = good.clone();
    none.signatures.clear();
    let mut two = good.clone();
    two.signatures.push(good.signatures[0].clone());
    // Another server's signature of the same content.
    let mut foreign = good.clone();
    let content: ServerTask = good.peek().unwrap();
    foreign.signatures = Server::new(8).sign(&content).signatures;
    let mut changed = good.clone();
    changed.payload.0 = String::from_utf8(changed.payload.0)
        .unwrap()
        .replace("nonce-1", "nonce-2")
        .into_bytes();
    for task in [flipped, none, two, foreign, changed] {
        refused_without_prompt(
            &helper,
            log_in(&helper, task),
            "isn't signed with the server key",
        );
    }
    let mut other = good;
    other.payload_type = "application/vnd.in-toto+json".to_owned();
    refused_without_prompt(&helper, log_in(&helper, other), "can't read");
}

#[test]
fn a_changed_server_key_is_refused_with_both_keys() {
    let helper = TestHelper::with_card().enrolled();
    let other = Server::new(8);
    refused_without_prompt(&helper, log_in(&helper, other.log_in()), "has changed");
    let error = helper
        .portal()
        .request(log_in(&helper, other.log_in()))
        .unwrap_err();
    assert!(
        error
            .message
            .contains(&other.fingerprint().words().join(" "))
    );
}

#[test]
fn a_task_of_another_kind_is_refused() {
    let helper = TestHelper::with_card().enrolled();
    refused_without_prompt(&helper, log_in(&helper, helper.server.enrol()), "differ");
    refused_without_prompt(
        &helper,
        log_in(&helper, helper.server.approve(helper.card().key, &[1; 8])),
        "differ",
    );
    refused_without_prompt(
        &helper,
        Operation::Approve {
            task: helper.server.log_in(),
        },
        "differ",
    );
}

#[test]
fn an_approval_for_an_unknown_server_is_refused() {
    let helper = TestHelper::with_card();
    let task = helper.server.approve(helper.card().key, &[1; 8]);
    refused_without_prompt(
        &helper,
        Operation::Approve { task },
        "doesn't know the server key",
    );
}

#[test]
fn the_first_login_shows_and_pins_the_servers_key() {
    let helper = TestHelper::with_card();
    let answer = helper
        .portal()
        .request(log_in(&helper, helper.server.log_in()));
    assert!(matches!(answer, Ok(Answer::Statement { .. })), "{answer:?}");
    let words = helper.server.fingerprint().words().join(" ");
    let [Shown::Consent(first), Shown::Pin(_)] = &helper.user.shown()[..] else {
        panic!()
    };
    assert!(
        first.contains(&words) && first.contains("First contact"),
        "{first}"
    );
    let known = OriginStore::new(helper.config.path())
        .find(&ORIGIN.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(known.server_key, Some(helper.server.fingerprint()));
    helper
        .portal()
        .request(log_in(&helper, helper.server.log_in()))
        .unwrap();
    let Shown::Consent(second) = &helper.user.shown()[2] else {
        panic!()
    };
    assert!(!second.contains("First contact"));
}

#[test]
fn a_cancelled_login_pins_no_key() {
    let helper = TestHelper::with_card();
    helper.user.answer_consents(false);
    let error = helper
        .portal()
        .request(log_in(&helper, helper.server.log_in()))
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Cancelled);
    let known = OriginStore::new(helper.config.path())
        .find(&ORIGIN.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(known.server_key, None);
    assert_eq!((helper.verify_count(), helper.sign_count()), (0, 0));
}

#[test]
fn a_prompt_without_an_answer_is_reported_differently_from_a_cancelled_one() {
    let failed = || PromptError::Failed("no display".into());
    for (prompt, error, code) in [
        (1, failed(), HelperErrorCode::PromptFailed),
        (2, failed(), HelperErrorCode::PromptFailed),
        (1, PromptError::Unanswered, HelperErrorCode::Unanswered),
        (2, PromptError::Unanswered, HelperErrorCode::Unanswered),
    ] {
        let helper = TestHelper::with_card().enrolled();
        helper.user.fail_from(prompt, error);
        let reported = helper
            .portal()
            .request(log_in(&helper, helper.server.log_in()))
            .unwrap_err();
        assert_eq!(reported.code, code);
        assert_eq!(helper.user.shown().len(), prompt);
        assert_eq!((helper.verify_count(), helper.sign_count()), (0, 0));
    }
}

#[test]
fn an_answered_task_opens_no_second_prompt() {
    let helper = TestHelper::with_card().enrolled();
    let task = helper.server.log_in();
    helper
        .portal()
        .request(log_in(&helper, task.clone()))
        .unwrap();
    let shown = helper.user.shown();
    let error = helper.portal().request(log_in(&helper, task)).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected);
    let declined = helper.server.log_in();
    helper.user.answer_next_consent(false);
    helper
        .portal()
        .request(log_in(&helper, declined.clone()))
        .unwrap_err();
    let error = helper
        .portal()
        .request(log_in(&helper, declined))
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected);
    assert_eq!(helper.user.shown().len(), shown.len() + 1);
}

#[test]
fn an_answered_task_stays_answered_after_a_restart() {
    let helper = TestHelper::with_card().enrolled();
    let task = helper.server.log_in();
    helper
        .portal()
        .request(log_in(&helper, task.clone()))
        .unwrap();
    let (again, user) = helper.restarted();
    let mut conversation = TestHelper::conversation_with(&again, ORIGIN);
    let error = conversation
        .answer(log_in(&helper, task), &silent())
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
    // A new task is asked about.
    conversation
        .answer(log_in(&helper, helper.server.log_in()), &silent())
        .unwrap();
    assert!(matches!(user.shown()[0], Shown::Consent(_)));
}

/// Every change exceeds one limit.
#[test]
fn what_no_server_may_send_is_refused() {
    let helper = TestHelper::with_card().enrolled();
    let server = &helper.server;
    let key = helper.card().key;
    let approve = |change: &dyn Fn(&mut ApproveTask)| {
        let mut task = server.approve_task(key, &[1; 8]);
        change(&mut task);
        server.task(Task::Approve(Box::new(task)))
    };
    let label = |label: String| Purpose::Sign {
        keys: KeySet::one(KeyName {
            label,
            fingerprint: Fingerprint([9; 32]),
        }),
        scope: Scope::Open,
    };
    for task in [
        approve(&|task| task.terms.reason = "x".repeat(501)),
        approve(&|task| task.terms.requester.name = "x".repeat(81)),
        approve(&|task| task.terms.requester.id = OperatorId::new("x".repeat(129))),
        approve(&|task| task.terms.hsm.id = HsmId::new("x".repeat(33))),
        approve(&|task| task.terms.id = MemberId::new("x".repeat(129))),
        approve(&|task| task.terms.purpose = label("x".repeat(256))),
        approve(&|task| task.terms.quorum.required = 4),
        approve(&|task| task.terms.quorum.required = 0),
        approve(&|task| task.approved_by = vec!["Ben".to_owned(); 4]),
        approve(&|task| task.approved_by = vec!["x".repeat(81)]),
        approve(&|task| task.device_certificates.0.resize(8193, 0)),
    ] {
        refused_without_prompt(&helper, Operation::Approve { task }, "In this request");
    }
    let nonce = Task::LogIn {
        nonce: "x".repeat(129),
    };
    let mut named = ServerTask {
        server: server.identity(ORIGIN),
        expires_at: Timestamp::now() + SignedDuration::from_secs(300),
        task: login_task(),
    };
    named.server.name = "x".repeat(101);
    for task in [
        server.task(nonce),
        server.sign(&named),
        // A server's task is valid for at most half an hour.
        server.task_for(ORIGIN, 40 * 60, login_task()),
    ] {
        refused_without_prompt(&helper, log_in(&helper, task), "In this request");
    }
    // The longest that is allowed.
    let longest = approve(&|task| {
        task.terms.reason = "x".repeat(500);
        task.terms.requester.name = "é".repeat(80);
        task.terms.hsm.id = HsmId::new("x".repeat(32));
        task.terms.purpose = label("x".repeat(255));
        task.approved_by = vec!["x".repeat(80); 3];
    });
    helper
        .portal()
        .request(Operation::Approve { task: longest })
        .unwrap();
}

#[test]
fn a_page_whose_consents_are_cancelled_has_to_wait() {
    let helper = TestHelper::with_card().enrolled();
    helper.user.answer_consents(false);
    let mut portal = helper.portal();
    for _ in 0..5 {
        let task = helper.server.log_in();
        let error = portal.request(log_in(&helper, task)).unwrap_err();
        assert_eq!(error.code, HelperErrorCode::Cancelled);
    }
    let shown = helper.user.shown().len();
    for _ in 0..20 {
        let task = helper.server.log_in();
        let error = portal.request(log_in(&helper, task)).unwrap_err();
        assert_eq!(error.code, HelperErrorCode::Busy);
    }
    assert_eq!(helper.user.shown().len(), shown);
}

#[test]
fn requests_before_hello_are_refused() {
    let helper = TestHelper::with_card();
    let mut portal = crate::support::Portal::connect_without_hello(helper.port);
    assert_eq!(
        portal.request(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Version
    );
    assert_eq!(
        portal
            .request(Operation::Hello { protocol: 99 })
            .unwrap_err()
            .code,
        HelperErrorCode::Version
    );
    assert_eq!(
        portal.request(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Version
    );
}

#[test]
fn unknown_messages_are_answered_with_an_error() {
    let helper = TestHelper::with_card();
    let mut portal = helper.portal();
    for (text, id) in [
        ("{\"id\":77,\"op\":\"sign\",\"digest\":\"00\"}", 77),
        ("nonsense", 0),
        ("{\"id\":5}", 5),
    ] {
        portal.send(text);
        let (of, result) = portal.reply();
        assert_eq!(
            (of, result.unwrap_err().code),
            (id, HelperErrorCode::Invalid)
        );
    }
}
