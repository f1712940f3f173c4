//! An approval from end to end: the server's task, the helper's signature, the server's answer. A pool repeats this for each of
//! its HSMs, and an HSM may require a fresh challenge.

use countersign_protocol::{
    activation::{ActivationView, ApprovalOutcome, ApprovalTaskView},
    id::ActivationId,
    problem::Problem,
};

use crate::{
    helper::Helper,
    portal::{Portal, activation_path},
    work::problem,
};

/// Limit per HSM. An HSM that uses up its challenge with every custodian needs two rounds; none is known to need more.
const MAX_ROUNDS: usize = 5;

/// Approves an activation with the user's card.
///
/// # Errors
/// The server rejects the approval, the helper reports an error, or an HSM requires too many fresh challenges.
pub async fn approve(
    portal: Portal,
    helper: Helper,
    id: &ActivationId,
    hsms: usize,
) -> Result<ActivationView, Problem> {
    let first: ApprovalTaskView = portal.act(&activation_path(id, "/task")).await?;
    let mut task = first.task;
    for round in 0..MAX_ROUNDS * hsms {
        let signed = match helper.approve(task, round > 0).await {
            Ok(signed) => signed,
            // The PIN session begins with the first approval, so a failed first round leaves none to end.
            Err(problem) if round == 0 => return Err(problem),
            Err(problem) => {
                helper.finish().await;
                return Err(problem);
            }
        };
        match portal
            .post(&activation_path(id, "/approvals"), &signed)
            .await
        {
            Ok(ApprovalOutcome::Counted { activation }) => {
                helper.finish().await;
                return Ok(*activation);
            }
            Ok(ApprovalOutcome::SignAgain { task: next }) => task = next,
            Err(problem) => {
                helper.finish().await;
                return Err(problem);
            }
        }
    }
    helper.finish().await;
    Err(problem(
        "Approval not counted",
        "Another custodian may be approving at the same time. Try again in 1 minute.",
    ))
}
