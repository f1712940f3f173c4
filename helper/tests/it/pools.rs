//! One consent covers all HSMs of a pool, and nothing else.

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

use crate::support::{TestHelper, signing_hsm};

const CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn name(id: &str, chain: &DeviceChain) -> HsmName {
    HsmName {
        id: HsmId::new(id),
        device: DeviceId(chain.device.chr().clone()),
    }
}

/// The tasks for the first and the second HSM of a pool.
fn tasks(helper: &TestHelper, second: &DeviceChain) -> (ApproveTask, ApproveTask) {
    let mut first = helper.server.approve_task(helper.card().key, &CHALLENGE);
    let hsms = vec![first.terms.hsm.clone(), name("second", second)];
    first.terms.pool = Some(Pool::new(hsms).unwrap());
    let mut other = first.clone();
    other.terms.id = first.terms.id.activation().member(1);
    other.terms.hsm = name("second", second);
    other.terms.quorum.total = 5;
    other.device_certificates = Base64(second.to_ef());
    other.challenge = Base64(vec![9; 8]);
    (first, other)
}

fn task(helper: &TestHelper, task: ApproveTask) -> countersign_protocol::dsse::Envelope {
    helper.server.task(Task::Approve(Box::new(task)))
}

#[test]
fn the_second_hsm_is_approved_in_the_same_session() {
    let helper = TestHelper::with_card().enrolled();
    let second = signing_hsm("900002");
    let (first, other) = tasks(&helper, &second);
    let mut portal = helper.portal();
    let before = helper.verify_count();
    portal
        .request(Operation::Approve {
            task: task(&helper, first),
        })
        .unwrap();
    let shown = helper.user.shown();
    let text = format!("{shown:?}");
    let device = DeviceId(second.device.chr().clone());
    assert!(text.contains(device.serial()), "{text}");

    let answer = portal.request(Operation::ApproveAgain {
        task: task(&helper, other.clone()),
    });
    let Ok(Answer::Approved { approval: signed }) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(signed.activation, other.terms.id);
    let card = helper.card();
    let approval: Approval = signed.statement.verify(&card.public_key).unwrap();
    let expected = Approval::new(
        &other.terms,
        Sha256Digest::of(second.device.raw()),
        other.challenge.as_bytes(),
        helper.server.fingerprint(),
        card.key,
        approval.predicate.at,
    );
    assert_eq!(approval, expected);
    assert_eq!(helper.user.shown(), shown, "more than one consent");
    assert_eq!(helper.verify_count() - before, 1, "one PIN");
}

#[test]
fn a_request_that_was_not_shown_is_not_approved() {
    let helper = TestHelper::with_card().enrolled();
    let (second, third) = (signing_hsm("900002"), signing_hsm("900003"));
    let (first, other) = tasks(&helper, &second);
    // A genuine device that is not part of the pool.
    let mut outsider = other.clone();
    outsider.terms.hsm = name("second", &third);
    outsider.device_certificates = Base64(third.to_ef());
    // The pool's device by name, but another device by its certificates.
    let mut impostor = other.clone();
    impostor.device_certificates = Base64(third.to_ef());
    let mut more = other.clone();
    more.terms.lease.signatures += 1;
    let mut id = other.clone();
    id.terms.id = other.terms.id.activation().member(2);
    for wrong in [outsider, impostor, more, id] {
        let mut portal = helper.portal();
        portal
            .request(Operation::Approve {
                task: task(&helper, first.clone()),
            })
            .unwrap();
        let signed = helper.sign_count();
        let error = portal
            .request(Operation::ApproveAgain {
                task: task(&helper, wrong),
            })
            .unwrap_err();
        assert_eq!(error.code, HelperErrorCode::TaskRejected, "{error}");
        assert_eq!(helper.sign_count(), signed);
        portal.request(Operation::Finish).unwrap();
    }
}
