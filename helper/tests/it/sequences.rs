//! Whatever a page sends, in whatever order: no PKA response without its approval, nothing signed without consent.

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

use crate::support::{Rig, Server, silent};

/// One thing that a hostile page may do.
#[derive(Clone, Debug)]
enum Move {
    LogIn(Quality),
    Enrol(Quality),
    Approve(Quality, u8),
    Again(Quality, u8),
    List,
    Finish,
}

/// How good the task is that it passes on.
#[derive(Clone, Copy, Debug)]
enum Quality {
    Good,
    OtherServer,
    OtherOrigin,
    Expired,
    OtherTerms,
    WrongKind,
}

fn quality() -> impl Strategy<Value = Quality> {
    prop_oneof![
        6 => Just(Quality::Good),
        1 => Just(Quality::OtherServer),
        1 => Just(Quality::OtherOrigin),
        1 => Just(Quality::Expired),
        3 => Just(Quality::OtherTerms),
        1 => Just(Quality::WrongKind),
    ]
}

fn moves() -> impl Strategy<Value = Vec<(Move, bool, bool)>> {
    let one = prop_oneof![
        1 => quality().prop_map(Move::LogIn),
        1 => quality().prop_map(Move::Enrol),
        3 => (quality(), any::<u8>()).prop_map(|(q, c)| Move::Approve(q, c)),
        4 => (quality(), any::<u8>()).prop_map(|(q, c)| Move::Again(q, c)),
        1 => Just(Move::List),
        1 => Just(Move::Finish),
    ];
    // With the user's answers to consent and PIN; the PIN itself is always right, else the card would be blocked.
    let step = (one, prop::bool::weighted(0.8), prop::bool::weighted(0.9));
    let steps = prop::collection::vec(step, 1..12);
    // Most begin with a good approval: what comes then is what matters.
    (prop::bool::weighted(0.7), steps).prop_map(|(begin, mut steps)| {
        if begin {
            steps.insert(0, (Move::Approve(Quality::Good, 0), true, true));
        }
        steps
    })
}

fn seal(rig: &Rig, quality: Quality, mut task: Task) -> Envelope {
    use crate::support::ORIGIN;
    if let (Quality::OtherTerms, Task::Approve(approve)) = (quality, &mut task) {
        approve.terms.reason.push('!');
    }
    match quality {
        Quality::Good | Quality::OtherTerms => rig.server.task(task),
        Quality::OtherServer => Server::new(9).task(task),
        Quality::OtherOrigin => rig.server.task_for("https://evil.example", 300, task),
        Quality::Expired => rig.server.task_for(ORIGIN, -5, task),
        Quality::WrongKind => match task {
            Task::LogIn { .. } => rig.server.enrol(),
            _ => rig.server.log_in(),
        },
    }
}

fn operation(rig: &Rig, what: &Move) -> Operation {
    let card = rig.card();
    let approve =
        |challenge: u8| Task::Approve(Box::new(rig.server.approve_task(card.key, &[challenge; 8])));
    match what {
        Move::LogIn(quality) => Operation::LogIn {
            task: seal(
                rig,
                *quality,
                Task::LogIn {
                    nonce: "n".to_owned(),
                },
            ),
            key: card.key,
        },
        Move::Enrol(quality) => Operation::Enrol {
            task: seal(
                rig,
                *quality,
                rig.server
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
        Move::Approve(quality, challenge) => Operation::Approve {
            task: seal(rig, *quality, approve(*challenge)),
        },
        Move::Again(quality, challenge) => Operation::ApproveAgain {
            task: seal(rig, *quality, approve(*challenge)),
        },
        Move::List => Operation::ListCards,
        Move::Finish => Operation::Finish,
    }
}

/// A response that left the helper is beside an approval of the same HSM and challenge, for terms that were shown.
fn check_answer(rig: &Rig, answer: &Answer) {
    let Answer::Approved { evidence } = answer else {
        return;
    };
    let approval: Approval = evidence.statement.verify(&rig.card().public_key).unwrap();
    let device = approval.predicate.terms.hsm.device.clone();
    assert_eq!(
        approval.predicate.challenge,
        Sha256Digest::of(evidence.challenge.as_bytes())
    );
    let input = [device.as_bytes(), evidence.challenge.as_bytes()].concat();
    let response =
        EcSignature::from_plain(evidence.response.as_bytes(), Curve::BrainpoolP256r1).unwrap();
    rig.card()
        .public_key
        .verify_prehash(Sha256Digest::of(&input).as_bytes(), &response)
        .unwrap();
    let shown = rig.user.shown();
    let last = shown.iter().rev().find_map(|prompt| match prompt {
        Shown::Consent(text) if text.contains("approve?") => Some(text),
        _ => None,
    });
    assert!(last.unwrap().contains(&approval.predicate.terms.reason));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_signed_without_consent(moves in moves()) {
        let rig = Rig::with_card().enrolled();
        let mut page = rig.conversation();
        let (mut consents, mut signatures) = (0, 0);
        for (what, consent, pin) in moves {
            rig.user.consents(consent);
            rig.user.pins(pin.then_some(crate::support::PIN));
            let asked = rig.user.shown().len();
            let signed = rig.sign_count();
            let answer = page.answer(operation(&rig, &what), &silent());
            let prompts = &rig.user.shown()[asked..];
            let agreed = consent && pin && prompts.iter().any(|p| matches!(p, Shown::Consent(_)));
            consents += u64::from(agreed);
            let made = rig.sign_count() - signed;
            signatures += made;
            let expected = match (&what, &answer) {
                (Move::Approve(..) | Move::Again(..), Ok(_)) => 2,
                (Move::LogIn(_) | Move::Enrol(_), Ok(_)) => 1,
                _ => 0,
            };
            prop_assert_eq!(made, expected);
            if made > 0 && !matches!(what, Move::Again(..)) {
                prop_assert!(agreed, "signed without consent: {:?}", what);
            }
            if let Ok(answer) = &answer {
                check_answer(&rig, answer);
            }
        }
        prop_assert!(signatures == 0 || consents > 0);
    }
}
