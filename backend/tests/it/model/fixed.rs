//! Sequences that random ones reach too rarely.

use super::{
    step::{
        File::{A, B},
        Step::{self, *},
        Wanted::{AnyContent, OneFileRsa, TwoFiles},
        Who::{Person, Program},
    },
    world::ERIN,
};
use crate::test_server::{ANNA, BEN, CARLA, DOUG};

/// Every sequence, with what it is about.
pub fn sequences() -> Vec<(&'static str, Vec<Step>)> {
    let opened = [Request(Person(DOUG), AnyContent, 3), ApproveAll(0)];
    let then = |steps: &[Step]| [&opened, steps].concat();
    vec![
        (
            "the monotonic clock ends a lease although the wall clock stands still or was set back",
            then(&[
                ApproveAll(1),
                Sign(A, 0),
                SetClock(-18),
                ClockStops,
                Sign(B, 1),
                ClockStops,
                Sign(A, 0),
            ]),
        ),
        (
            "the wall clock ends a lease although the monotonic clock stands still",
            then(&[
                ApproveAll(1),
                Sign(A, 0),
                SetClock(1),
                Sign(B, 1),
                SetClock(18),
                Sign(A, 0),
                SignAgain,
            ]),
        ),
        (
            "requests expire by the wall clock only",
            vec![
                Request(Person(DOUG), TwoFiles, 2),
                Request(Person(ERIN), OneFileRsa, 1),
                ClockStops,
                ClockStops,
                ClockStops,
                SetClock(-1),
                TimePasses,
                TimePasses,
                ApproveAll(0),
                TimePasses,
                TimePasses,
            ],
        ),
        (
            "the next HSM of a pool continues with the signatures and the time that are left",
            then(&[
                Sign(A, 0),
                PullAndInsert(0),
                TimePasses,
                ApproveAll(1),
                Sign(A, 1),
                ResetByOther(1),
                Sign(A, 1),
            ]),
        ),
        (
            "a quorum after the time of a lease opens nothing",
            then(&[
                Request(Person(ERIN), AnyContent, 1),
                PullAndInsert(0),
                Approve(ANNA, 1),
                ClockStops,
                ClockStops,
                Approve(CARLA, 1),
                ApproveAll(1),
                Sign(A, 1),
            ]),
        ),
        (
            "a lease by a token ends with the token",
            vec![
                Request(Program(DOUG), TwoFiles, 3),
                Request(Program(ERIN), TwoFiles, 3),
                ApproveAll(0),
                Sign(A, 0),
                RevokeToken(DOUG),
                ApproveAll(1),
                Sign(B, 1),
                RevokeToken(ERIN),
                Request(Program(DOUG), OneFileRsa, 1),
                Approve(ANNA, 0),
                RevokeToken(DOUG),
            ],
        ),
        (
            "everything of a requester ends with their key",
            vec![
                Request(Person(DOUG), AnyContent, 3),
                Request(Program(DOUG), OneFileRsa, 1),
                Request(Person(ERIN), AnyContent, 3),
                ApproveAll(0),
                Approve(BEN, 1),
                Revoke(DOUG),
                ApproveAll(0),
                Crowd(0),
            ],
        ),
        (
            "a revoked custodian ends the request that too few others can approve, and the next one gets the HSM",
            vec![
                Request(Person(DOUG), OneFileRsa, 1),
                Request(Person(ERIN), OneFileRsa, 1),
                Decline(BEN, 0),
                Revoke(CARLA),
                ApproveAll(0),
                Sign(A, 0),
            ],
        ),
        (
            "a restart ends what was open, and its approvals are needed again",
            then(&[
                Request(Person(ERIN), OneFileRsa, 2),
                Sign(A, 0),
                PullAndInsert(0),
                Approve(ANNA, 0),
                Restart,
                Approve(ANNA, 0),
                Revoke(BEN),
                ApproveAll(0),
                Sign(A, 0),
                SignAgain,
                Lock(0),
            ]),
        ),
    ]
}
