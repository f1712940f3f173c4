//! What can happen.

use proptest::prelude::*;

use crate::test_server::{ANNA, BEN, CARLA};

/// One step. The activation that a step is about is the one that has the HSM, unless it says otherwise.
#[derive(Clone, Debug)]
pub enum Step {
    /// Doug requests this for this number of signatures.
    Request(Wanted, u32),
    /// Doug repeats a request that has not ended.
    RequestAgain,
    Approve(usize),
    Decline(usize),
    /// An admin locks, whatever the state.
    Lock,
    /// Doug withdraws his newest request.
    Withdraw,
    /// Doug has a file signed.
    Sign(File),
    /// Doug asks for an earlier signature again, under the same idempotency key.
    SignAgain,
    /// Many clients sign at once.
    Crowd,
    /// Another program resets the card.
    ResetByOther,
    /// The card is pulled out and inserted again.
    PullAndInsert,
    Restart,
    /// An admin revokes a custodian's key.
    Revoke(usize),
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    AnyContent,
    TwoFiles,
    OneFileRsa,
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
        let wanted = prop::sample::select(vec![
            Wanted::AnyContent,
            Wanted::TwoFiles,
            Wanted::OneFileRsa,
        ]);
        let file = prop::sample::select(vec![File::A, File::B]);
        prop_oneof![
            6 => (wanted, 1..4_u32).prop_map(|(wanted, signatures)| Self::Request(wanted, signatures)),
            1 => Just(Self::RequestAgain),
            14 => custodian().prop_map(Self::Approve),
            2 => custodian().prop_map(Self::Decline),
            1 => Just(Self::Lock),
            1 => Just(Self::Withdraw),
            12 => file.prop_map(Self::Sign),
            3 => Just(Self::SignAgain),
            1 => Just(Self::Crowd),
            1 => Just(Self::ResetByOther),
            1 => Just(Self::PullAndInsert),
            1 => Just(Self::Restart),
            1 => custodian().prop_map(Self::Revoke),
        ]
    }
}
