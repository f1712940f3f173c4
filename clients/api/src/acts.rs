//! Acts: changes that people's cards sign.

use std::time::Duration;

use countersign_protocol::{
    act::{ActOutcome, ActToSign, ActView, NewAct, SignedAct},
    id::ActId,
};

use crate::{
    client::{Client, Limit},
    error::ClientError,
    path::segment,
};

/// Signing takes this long at most, because a person may have to enter the SO-PIN of an HSM on the server's terminal.
const SIGN_TIMEOUT: Duration = Duration::from_secs(15 * 60);

fn path(id: &ActId, below: &str) -> String {
    format!("/acts/{}{below}", segment(id.as_str()))
}

impl Client {
    /// Lists acts: those that await signatures, then those that ended within the last week.
    pub fn acts(&self) -> Result<Vec<ActView>, ClientError> {
        self.get("/acts")
    }

    pub fn act(&self, id: &ActId) -> Result<ActView, ClientError> {
        self.get(&path(id, ""))
    }

    /// Proposes an act. The answer has the task for the helper of the person who is logged in.
    pub fn propose_act(&self, body: &NewAct) -> Result<ActToSign, ClientError> {
        self.post("/acts", body)
    }

    /// Creates the task for the helper of another person, who is logged in.
    pub fn act_task(&self, id: &ActId) -> Result<ActToSign, ClientError> {
        self.post_empty(&path(id, "/task"), self.timeouts().response)
    }

    /// Signs an act with what the helper returned. The last signature has it carried out.
    pub fn sign_act(&self, id: &ActId, body: &SignedAct) -> Result<ActOutcome, ClientError> {
        let limit = Limit::Response(SIGN_TIMEOUT);
        self.post_with(&path(id, "/signatures"), body, &[], limit)
            .map(|(_, outcome)| outcome)
    }

    pub fn withdraw_act(&self, id: &ActId) -> Result<(), ClientError> {
        self.delete(&path(id, ""))
    }
}
