//! An act from end to end: the proposal, the helper's signature, the server's answer.

use countersign_protocol::{
    act::{Act, ActOutcome, ActResult, ActState, ActToSign, ActView, NewAct, SignedAct},
    id::{ActId, HsmId},
    problem::Problem,
};
use leptos::prelude::*;

use super::path;
use crate::{api::Answer, helper::Helper, portal::Portal, work::Work};

/// What runs at the moment.
#[derive(Clone, PartialEq, Eq)]
pub enum Stage {
    /// The server prepares the act.
    Preparing,
    /// The helper shows the act, and the card signs it.
    Signing,
    /// The server checks the signature, and carries out the act if it was the last one.
    Sending {
        /// The HSM that this erases, for which the server may wait for the SO-PIN.
        erases: Option<HsmId>,
    },
}

/// State of one form or button whose act the user's card signs.
#[derive(Clone, Copy)]
pub struct Signing {
    pub work: Work,
    pub stage: RwSignal<Stage>,
    /// The act that the user has signed, while another person has to sign it as well.
    pub awaiting: RwSignal<Option<ActView>>,
    portal: Portal,
    helper: Helper,
}

impl Signing {
    pub fn new() -> Self {
        Self {
            work: Work::new(),
            stage: RwSignal::new(Stage::Preparing),
            awaiting: RwSignal::new(None),
            portal: Portal::here(),
            helper: Helper::here(),
        }
    }

    /// Proposes an act and signs it. Returns what it returned, or `None` while another person has to sign as well. If it is not
    /// signed, it is withdrawn, so that nobody signs it later by mistake.
    ///
    /// # Errors
    /// The server rejects it or cannot carry it out, or the user or the card declines to sign.
    pub async fn propose(self, new: NewAct) -> Answer<Option<ActResult>> {
        self.begin();
        let proposed: ActToSign = self.portal.post("/acts", &new).await?;
        let id = proposed.act.terms.id.clone();
        match self.sign_task(proposed).await {
            Ok(outcome) => Ok(self.keep(outcome)),
            Err(Failure::NotSigned(problem)) => {
                self.withdraw_unsigned(&id).await;
                Err(problem)
            }
            // The act may be signed, or even carried out.
            Err(Failure::Unknown(problem)) => Err(problem),
        }
    }

    /// Signs an act that awaits the user's signature. Returns the same as [`Self::propose`].
    ///
    /// # Errors
    /// The server rejects the signature or cannot carry out the act, or the user or the card declines to sign.
    pub async fn sign(self, id: &ActId) -> Answer<Option<ActResult>> {
        self.begin();
        let to_sign: ActToSign = self.portal.act(&path(id, "/task")).await?;
        match self.sign_task(to_sign).await {
            Ok(outcome) => Ok(self.keep(outcome)),
            Err(Failure::NotSigned(problem) | Failure::Unknown(problem)) => Err(problem),
        }
    }

    fn begin(self) {
        self.awaiting.set(None);
        self.stage.set(Stage::Preparing);
    }

    async fn sign_task(self, ActToSign { act, task }: ActToSign) -> Result<ActOutcome, Failure> {
        self.stage.try_set(Stage::Signing);
        let statement = self
            .helper
            .sign_act(task)
            .await
            .map_err(Failure::NotSigned)?;
        self.stage.try_set(Stage::Sending {
            erases: erased_by_last_signature(&act),
        });
        let path = path(&act.terms.id, "/signatures");
        let answer = self.portal.post(&path, &SignedAct { statement }).await;
        answer.map_err(|problem| match problem.status {
            // The portal itself found this problem: the server's answer was lost, or can't be read.
            0 => Failure::Unknown(problem),
            _ => Failure::NotSigned(problem),
        })
    }

    fn keep(self, ActOutcome { act, result }: ActOutcome) -> Option<ActResult> {
        self.portal.put_act(act.clone());
        if act.state == ActState::AwaitingSignatures {
            self.awaiting.try_set(Some(act));
            None
        } else {
            Some(result)
        }
    }

    /// Withdraws the act if nobody has signed it. A failure does not matter: it then expires, and the page of acts shows it.
    async fn withdraw_unsigned(self, id: &ActId) {
        let now: Answer<ActView> = self.portal.get(&path(id, "")).await;
        if now
            .is_ok_and(|act| act.signed_by.is_empty() && act.state == ActState::AwaitingSignatures)
        {
            let _ = self.portal.delete(&path(id, "")).await;
        }
    }
}

/// Why an act was not signed.
enum Failure {
    /// It was not signed, or its signature does not count.
    NotSigned(Problem),
    /// The answer to the signature is unknown.
    Unknown(Problem),
}

/// The HSM that is erased as soon as one more person has signed.
fn erased_by_last_signature(act: &ActView) -> Option<HsmId> {
    let is_last = act.signed_by.len() + 1 >= usize::from(act.terms.signatures);
    match &act.terms.act {
        Act::InitialiseHsm { hsm, .. } if is_last => Some(hsm.id.clone()),
        _ => None,
    }
}
