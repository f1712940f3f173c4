//! One consent for all the HSMs of a pool, and for nothing else.

use countersign_protocol::{
    activation::{HsmName, Pool},
    cvc::{DeviceChain, DeviceId},
    digest::Sha256Digest,
    encoding::Base64,
    helper::{Answer, HelperErrorCode, Operation},
    id::HsmId,
    statement::Approval,
    task::{ApproveTask, Task},
};

use crate::support::{Rig, signing_hsm};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn name(id: &str, chain: &DeviceChain) -> HsmName {
    HsmName {
        id: HsmId::new(id),
        device: DeviceId(chain.device.chr().clone()),
    }
}

/// The task for the first HSM of a pool, and the one for its other HSM.
fn tasks(rig: &Rig, second: &DeviceChain) -> (ApproveTask, ApproveTask) {
    let mut first = rig.server.approve_task(rig.card().key, &CHALLENGE);
    let hsms = vec![first.terms.hsm.clone(), name("second", second)];
    first.terms.pool = Some(Pool::new(hsms).unwrap());
    let mut other = first.clone();
    other.terms.id = first.terms.id.member(1);
    other.terms.hsm = name("second", second);
    other.terms.quorum.total = 5;
    other.device_certificates = Base64(second.to_ef());
    other.challenge = Base64(vec![9; 16]);
    (first, other)
}

fn task(rig: &Rig, task: ApproveTask) -> countersign_protocol::dsse::Envelope {
    rig.server.task(Task::Approve(Box::new(task)))
}

#[test]
fn the_other_hsm_is_approved_in_the_same_session() {
    let rig = Rig::with_card().enrolled();
    let second = signing_hsm("900002");
    let (first, other) = tasks(&rig, &second);
    let mut portal = rig.portal();
    let before = rig.verify_count();
    portal
        .ask(Operation::Approve {
            task: task(&rig, first),
        })
        .unwrap();
    let shown = rig.user.shown();
    let text = format!("{shown:?}");
    let device = DeviceId(second.device.chr().clone());
    assert!(text.contains(device.serial()), "{text}");

    let answer = portal.ask(Operation::ApproveAgain {
        task: task(&rig, other.clone()),
    });
    let Ok(Answer::Approved { evidence }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(evidence.activation, other.terms.id);
    let card = rig.card();
    let approval: Approval = evidence.statement.verify(&card.public_key).unwrap();
    let expected = Approval::new(
        &other.terms,
        Sha256Digest::of(second.device.raw()),
        other.challenge.as_bytes(),
        rig.server.fingerprint(),
        card.key,
        approval.predicate.at,
    );
    assert_eq!(approval, expected);
    assert_eq!(rig.user.shown(), shown, "asked once");
    assert_eq!(rig.verify_count() - before, 1, "one PIN");
}

#[test]
fn what_was_not_shown_is_not_approved() {
    let rig = Rig::with_card().enrolled();
    let (second, third) = (signing_hsm("900002"), signing_hsm("900003"));
    let (first, other) = tasks(&rig, &second);
    // A genuine device, but none of the pool.
    let mut stranger = other.clone();
    stranger.terms.hsm = name("second", &third);
    stranger.device_certificates = Base64(third.to_ef());
    // The pool's device by name, another by its certificates.
    let mut posing = other.clone();
    posing.device_certificates = Base64(third.to_ef());
    let mut more = other.clone();
    more.terms.lease.signatures += 1;
    let mut id = other.clone();
    id.terms.id = other.terms.id.activation().member(2);
    for wrong in [stranger, posing, more, id] {
        let mut portal = rig.portal();
        portal
            .ask(Operation::Approve {
                task: task(&rig, first.clone()),
            })
            .unwrap();
        let signed = rig.sign_count();
        let error = portal
            .ask(Operation::ApproveAgain {
                task: task(&rig, wrong),
            })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::TaskRefused, "{error}");
        assert_eq!(rig.sign_count(), signed);
        portal.ask(Operation::Finish).unwrap();
    }
}
