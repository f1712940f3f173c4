//! Tasks that must be refused before any prompt, and the server's key.

use countersign_helper::{
    origin::OriginStore,
    prompt::{PromptError, scripted::Shown},
};
use countersign_protocol::{
    dsse::Envelope,
    helper::{Answer, HelperErrorCode, Operation},
    task::{ServerTask, Task},
};

use crate::support::{ORIGIN, Rig, Server};

fn log_in(rig: &Rig, task: Envelope) -> Operation {
    Operation::LogIn {
        task,
        key: rig.card().key,
    }
}

fn refused_unasked(rig: &Rig, operation: Operation, words: &str) {
    let before = rig.user.shown();
    let error = rig.portal().ask(operation).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRefused, "{error}");
    assert!(error.message.contains(words), "{error}");
    assert_eq!(rig.user.shown(), before, "no prompt was opened");
    assert_eq!(rig.sign_count(), 0);
}

fn login_task() -> Task {
    Task::LogIn {
        nonce: "n".to_owned(),
    }
}

#[test]
fn a_task_for_another_page_is_refused() {
    let rig = Rig::with_card();
    let task = rig
        .server
        .task_for("https://evil.example", 300, login_task());
    refused_unasked(&rig, log_in(&rig, task), "https://evil.example");
}

#[test]
fn an_old_task_is_refused() {
    let rig = Rig::with_card();
    let task = rig.server.task_for(ORIGIN, -1, login_task());
    refused_unasked(&rig, log_in(&rig, task), "too old");
}

#[test]
fn a_task_with_a_wrong_signature_is_refused() {
    let rig = Rig::with_card();
    let good = rig.server.log_in();
    let mut flipped = good.clone();
    let end = flipped.signatures[0].sig.0.len() - 1;
    flipped.signatures[0].sig.0[end] ^= 1;
    let mut none = good.clone();
    none.signatures.clear();
    let mut two = good.clone();
    two.signatures.push(good.signatures[0].clone());
    // Another server's signature over the same content.
    let mut foreign = good.clone();
    let content: ServerTask = good.peek().unwrap();
    foreign.signatures = Server::new(8).sign(&content).signatures;
    let mut changed = good.clone();
    changed.payload.0 = String::from_utf8(changed.payload.0)
        .unwrap()
        .replace("nonce-1", "nonce-2")
        .into_bytes();
    for task in [flipped, none, two, foreign, changed] {
        refused_unasked(&rig, log_in(&rig, task), "isn't signed by the server");
    }
    let mut other = good;
    other.payload_type = "application/vnd.in-toto+json".to_owned();
    refused_unasked(&rig, log_in(&rig, other), "can't read");
}

#[test]
fn a_changed_server_key_is_refused_and_explained() {
    let rig = Rig::with_card().enrolled();
    let other = Server::new(8);
    refused_unasked(
        &rig,
        log_in(&rig, other.log_in()),
        "isn't the one you enrolled with",
    );
    let error = rig.portal().ask(log_in(&rig, other.log_in())).unwrap_err();
    assert!(
        error
            .message
            .contains(&other.fingerprint().words().join(" "))
    );
}

#[test]
fn a_task_of_another_kind_is_refused() {
    let rig = Rig::with_card().enrolled();
    refused_unasked(&rig, log_in(&rig, rig.server.enrol()), "something else");
    refused_unasked(
        &rig,
        log_in(&rig, rig.server.approve(rig.card().key, &[1; 8])),
        "something else",
    );
    refused_unasked(
        &rig,
        Operation::Approve {
            task: rig.server.log_in(),
        },
        "something else",
    );
}

#[test]
fn an_approval_of_an_unknown_server_is_refused() {
    let rig = Rig::with_card();
    let task = rig.server.approve(rig.card().key, &[1; 8]);
    refused_unasked(&rig, Operation::Approve { task }, "doesn't know the key");
}

#[test]
fn the_first_login_shows_and_keeps_the_servers_key() {
    let rig = Rig::with_card();
    let answer = rig.portal().ask(log_in(&rig, rig.server.log_in()));
    assert!(matches!(answer, Ok(Answer::Statement { .. })), "{answer:?}");
    let words = rig.server.fingerprint().words().join(" ");
    let [Shown::Consent(first), Shown::Pin(_)] = &rig.user.shown()[..] else {
        panic!()
    };
    assert!(
        first.contains(&words) && first.contains("First contact"),
        "{first}"
    );
    let known = OriginStore::new(rig.config.path())
        .find(&ORIGIN.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(known.server_key, Some(rig.server.fingerprint()));
    rig.portal().ask(log_in(&rig, rig.server.log_in())).unwrap();
    let Shown::Consent(second) = &rig.user.shown()[2] else {
        panic!()
    };
    assert!(!second.contains("First contact"));
}

#[test]
fn a_declined_login_keeps_nothing() {
    let rig = Rig::with_card();
    rig.user.consents(false);
    let error = rig
        .portal()
        .ask(log_in(&rig, rig.server.log_in()))
        .unwrap_err();
    assert_eq!(error.code, HelperErrorCode::Declined);
    let known = OriginStore::new(rig.config.path())
        .find(&ORIGIN.parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(known.server_key, None);
    assert_eq!((rig.verify_count(), rig.sign_count()), (0, 0));
}

#[test]
fn a_question_without_an_answer_is_no_refusal() {
    let failed = || PromptError::Failed("no display".into());
    for (prompt, error, code) in [
        (1, failed(), HelperErrorCode::PromptFailed),
        (2, failed(), HelperErrorCode::PromptFailed),
        (1, PromptError::Unanswered, HelperErrorCode::Unanswered),
        (2, PromptError::Unanswered, HelperErrorCode::Unanswered),
    ] {
        let rig = Rig::with_card().enrolled();
        rig.user.fails_at(prompt, error);
        let told = rig
            .portal()
            .ask(log_in(&rig, rig.server.log_in()))
            .unwrap_err();
        assert_eq!(told.code, code);
        assert_eq!(rig.user.shown().len(), prompt);
        assert_eq!((rig.verify_count(), rig.sign_count()), (0, 0));
    }
}

#[test]
fn an_answered_task_raises_no_second_prompt() {
    let rig = Rig::with_card().enrolled();
    let task = rig.server.log_in();
    rig.portal().ask(log_in(&rig, task.clone())).unwrap();
    let shown = rig.user.shown();
    let error = rig.portal().ask(log_in(&rig, task)).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRefused);
    let declined = rig.server.log_in();
    rig.user.next_consent(false);
    rig.portal()
        .ask(log_in(&rig, declined.clone()))
        .unwrap_err();
    let error = rig.portal().ask(log_in(&rig, declined)).unwrap_err();
    assert_eq!(error.code, HelperErrorCode::TaskRefused);
    assert_eq!(rig.user.shown().len(), shown.len() + 1);
}

#[test]
fn nothing_is_answered_before_hello() {
    let rig = Rig::with_card();
    let mut portal = crate::support::Portal::connect_silently(rig.port);
    assert_eq!(
        portal.ask(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Version
    );
    assert_eq!(
        portal
            .ask(Operation::Hello { protocol: 99 })
            .unwrap_err()
            .code,
        HelperErrorCode::Version
    );
    assert_eq!(
        portal.ask(Operation::ListCards).unwrap_err().code,
        HelperErrorCode::Version
    );
}

#[test]
fn messages_that_are_not_understood_are_answered() {
    let rig = Rig::with_card();
    let mut portal = rig.portal();
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
