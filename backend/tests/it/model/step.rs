//! What can happen.

use proptest::prelude::*;

use super::world::{ERIN, HSMS};
use crate::test_server::{ANNA, BEN, CARLA, DOUG};

/// The shortest time, in seconds, by which a step moves a clock. After any number of steps, no clock is less than 200 s from the
/// end of a lease or request, so the time that a test takes makes no difference.
pub const TICK: i32 = 400;

/// One step. It is about the activation that has the named HSM, unless it says otherwise.
#[derive(Clone, Debug)]
pub enum Step {
    /// A person, or a program with their token, requests this for this number of signatures.
    Request(Who, Wanted, u32),
    /// The newest request that has not ended is repeated.
    RequestAgain,
    Approve(usize, usize),
    /// Everybody who may approve does, until the HSM is open.
    ApproveAll(usize),
    Decline(usize, usize),
    /// An admin locks, whatever the state.
    Lock(usize),
    /// The newest request is withdrawn.
    Withdraw,
    /// The requester has a file signed.
    Sign(File, usize),
    /// Every earlier signature is requested again, under the same idempotency key.
    SignAgain,
    /// Many clients sign at once.
    Crowd(usize),
    /// Another program resets the card.
    ResetByOther(usize),
    /// The card is pulled out and inserted again.
    PullAndInsert(usize),
    Restart,
    /// An admin revokes the key of a custodian or of a requester.
    Revoke(usize),
    /// The requester's token is revoked, with which a program requests.
    RevokeToken(usize),
    /// Both clocks move.
    TimePasses,
    /// Somebody sets the wall clock, by this many [`TICK`]s.
    SetClock(i32),
    /// The wall clock stands still.
    ClockStops,
}

/// Who requests.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Person(usize),
    /// A program with a token of this person.
    Program(usize),
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    AnyContent,
    TwoFiles,
    /// With a key that only the first HSM has.
    OneFileRsa,
}

impl Wanted {
    /// Number of HSMs with the key.
    pub fn hsms(self) -> usize {
        match self {
            Self::AnyContent | Self::TwoFiles => HSMS,
            Self::OneFileRsa => 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    A,
    B,
}

impl File {
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

impl Step {
    pub fn any() -> impl Strategy<Value = Self> {
        let custodian = || prop::sample::select(vec![ANNA, BEN, CARLA]);
        let requester = || prop::sample::select(vec![DOUG, ERIN]);
        let who = prop_oneof![
            1 => requester().prop_map(Who::Person),
            1 => requester().prop_map(Who::Program),
        ];
        let wanted = prop::sample::select(vec![
            Wanted::AnyContent,
            Wanted::TwoFiles,
            Wanted::OneFileRsa,
        ]);
        let file = prop::sample::select(vec![File::A, File::B]);
        let hsm = || 0..HSMS;
        prop_oneof![
            20 => (who, wanted, 1..4_u32).prop_map(|(who, wanted, signatures)| Self::Request(who, wanted, signatures)),
            2 => Just(Self::RequestAgain),
            20 => (custodian(), hsm()).prop_map(|(custodian, hsm)| Self::Approve(custodian, hsm)),
            24 => hsm().prop_map(Self::ApproveAll),
            3 => (custodian(), hsm()).prop_map(|(custodian, hsm)| Self::Decline(custodian, hsm)),
            2 => hsm().prop_map(Self::Lock),
            2 => Just(Self::Withdraw),
            30 => (file, hsm()).prop_map(|(file, hsm)| Self::Sign(file, hsm)),
            4 => Just(Self::SignAgain),
            2 => hsm().prop_map(Self::Crowd),
            2 => hsm().prop_map(Self::ResetByOther),
            2 => hsm().prop_map(Self::PullAndInsert),
            2 => Just(Self::Restart),
            1 => custodian().prop_map(Self::Revoke),
            1 => requester().prop_map(Self::Revoke),
            2 => requester().prop_map(Self::RevokeToken),
            3 => Just(Self::TimePasses),
            2 => prop::sample::select(vec![-18, -1, 1, 18]).prop_map(Self::SetClock),
            2 => Just(Self::ClockStops),
        ]
    }
}
