//! Random sequences of requests. No PKA response leaves the helper without its approval, and nothing is signed without
//! consent.

use countersign_helper::prompt::scripted::Shown;
use countersign_protocol::{
    cvc::{Curve, EcSignature},
    digest::Sha256Digest,
    dsse::Envelope,
    helper::{Answer, EnrolKey, Operation},
    statement::Approval,
    task::Task,
};
use proptest::prelude::*;

use crate::support::{Server, TestHelper, silent};

/// A request that a hostile page can send.
#[derive(Clone, Debug)]
enum PageRequest {
    LogIn(TaskVariant),
    Enrol(TaskVariant),
    Approve(TaskVariant, u8),
    Again(TaskVariant, u8),
    List,
    Finish,
}

/// The task in a request: valid, or with one defect.
#[derive(Clone, Copy, Debug)]
enum TaskVariant {
    Valid,
    OtherServer,
    OtherOrigin,
    Expired,
    OtherTerms,
    WrongKind,
}

fn variant() -> impl Strategy<Value = TaskVariant> {
    prop_oneof![
        6 => Just(TaskVariant::Valid),
        1 => Just(TaskVariant::OtherServer),
        1 => Just(TaskVariant::OtherOrigin),
        1 => Just(TaskVariant::Expired),
        3 => Just(TaskVariant::OtherTerms),
        1 => Just(TaskVariant::WrongKind),
    ]
}

fn requests() -> impl Strategy<Value = Vec<(PageRequest, bool, bool)>> {
    let request = prop_oneof![
        1 => variant().prop_map(PageRequest::LogIn),
        1 => variant().prop_map(PageRequest::Enrol),
        3 => (variant(), any::<u8>()).prop_map(|(q, c)| PageRequest::Approve(q, c)),
        4 => (variant(), any::<u8>()).prop_map(|(q, c)| PageRequest::Again(q, c)),
        1 => Just(PageRequest::List),
        1 => Just(PageRequest::Finish),
    ];
    // With the user's answers to consent and PIN prompt. The PIN is always correct, so that the card is not blocked.
    let step = (
        request,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.9),
    );
    let steps = prop::collection::vec(step, 1..12);
    // Most sequences begin with a valid approval, because it opens the session that the later requests attack.
    (prop::bool::weighted(0.7), steps).prop_map(|(begin, mut steps)| {
        if begin {
            steps.insert(0, (PageRequest::Approve(TaskVariant::Valid, 0), true, true));
        }
        steps
    })
}

fn seal(helper: &TestHelper, variant: TaskVariant, mut task: Task) -> Envelope {
    use crate::support::ORIGIN;
    if let (TaskVariant::OtherTerms, Task::Approve(approve)) = (variant, &mut task) {
        approve.terms.reason.push('!');
    }
    match variant {
        TaskVariant::Valid | TaskVariant::OtherTerms => helper.server.task(task),
        TaskVariant::OtherServer => Server::new(9).task(task),
        TaskVariant::OtherOrigin => helper.server.task_for("https://evil.example", 300, task),
        TaskVariant::Expired => helper.server.task_for(ORIGIN, -5, task),
        TaskVariant::WrongKind => match task {
            Task::LogIn { .. } => helper.server.enrol(),
            _ => helper.server.log_in(),
        },
    }
}

fn operation(helper: &TestHelper, request: &PageRequest) -> Operation {
    let card = helper.card();
    let approve = |challenge: u8| {
        Task::Approve(Box::new(
            helper.server.approve_task(card.key, &[challenge; 8]),
        ))
    };
    match request {
        PageRequest::LogIn(variant) => Operation::LogIn {
            task: seal(
                helper,
                *variant,
                Task::LogIn {
                    nonce: "n".to_owned(),
                },
            ),
            key: card.key,
        },
        PageRequest::Enrol(variant) => Operation::Enrol {
            task: seal(
                helper,
                *variant,
                helper
                    .server
                    .enrol()
                    .peek::<countersign_protocol::task::ServerTask>()
                    .unwrap()
                    .task,
            ),
            card: card.device.id().clone(),
            key: EnrolKey::Existing {
                fingerprint: card.key,
            },
        },
        PageRequest::Approve(variant, challenge) => Operation::Approve {
            task: seal(helper, *variant, approve(*challenge)),
        },
        PageRequest::Again(variant, challenge) => Operation::ApproveAgain {
            task: seal(helper, *variant, approve(*challenge)),
        },
        PageRequest::List => Operation::ListCards,
        PageRequest::Finish => Operation::Finish,
    }
}

/// Checks that a response comes with an approval of the same HSM and challenge, for terms that were shown.
fn check_answer(helper: &TestHelper, answer: &Answer) {
    let Answer::Approved { approval: signed } = answer else {
        return;
    };
    let approval: Approval = signed.statement.verify(&helper.card().public_key).unwrap();
    let device = approval.predicate.terms.hsm.device.clone();
    assert_eq!(
        approval.predicate.challenge,
        Sha256Digest::of(signed.challenge.as_bytes())
    );
    let input = [device.as_bytes(), signed.challenge.as_bytes()].concat();
    let response =
        EcSignature::from_plain(signed.response.as_bytes(), Curve::BrainpoolP256r1).unwrap();
    helper
        .card()
        .public_key
        .verify_prehash(Sha256Digest::of(&input).as_bytes(), &response)
        .unwrap();
    let shown = helper.user.shown();
    let last = shown.iter().rev().find_map(|prompt| match prompt {
        Shown::Consent(text) if text.contains("approve request") => Some(text),
        _ => None,
    });
    assert!(last.unwrap().contains(&approval.predicate.terms.reason));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_signed_without_consent(requests in requests()) {
        let helper = TestHelper::with_card().enrolled();
        let mut page = helper.conversation();
        let (mut consents, mut signatures) = (0, 0);
        for (request, consent, pin) in requests {
            helper.user.answer_consents(consent);
            helper.user.enter_pin(pin.then_some(crate::support::PIN));
            let shown_before = helper.user.shown().len();
            let signed_before = helper.sign_count();
            let answer = page.answer(operation(&helper, &request), &silent());
            let prompts = &helper.user.shown()[shown_before..];
            let consented = consent && pin && prompts.iter().any(|p| matches!(p, Shown::Consent(_)));
            consents += u64::from(consented);
            let signed = helper.sign_count() - signed_before;
            signatures += signed;
            let expected = match (&request, &answer) {
                (PageRequest::Approve(..) | PageRequest::Again(..), Ok(_)) => 2,
                (PageRequest::LogIn(_) | PageRequest::Enrol(_), Ok(_)) => 1,
                _ => 0,
            };
            prop_assert_eq!(signed, expected);
            if signed > 0 && !matches!(request, PageRequest::Again(..)) {
                prop_assert!(consented, "signed without consent: {:?}", request);
            }
            if let Ok(answer) = &answer {
                check_answer(&helper, answer);
            }
        }
        prop_assert!(signatures == 0 || consents > 0);
    }
}
