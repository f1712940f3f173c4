//! Views of activations.

use std::collections::HashMap;

use countersign_protocol::{
    activation::{
        ActivationState, ActivationTerms, ActivationView, CustodianProgress, Decision, MemberView,
    },
    id::{ActivationId, HsmId, OperatorId},
};
use sqlx::{Connection, SqliteConnection};

use super::Views;
use crate::{
    activation::{ActivationError, combined},
    store::{
        self, StoreError,
        activations::{Activation, Which},
        summaries::Summary,
    },
};

/// The activations that use HSMs, read once for a list.
type Users = HashMap<HsmId, Option<Activation>>;

impl Views {
    /// The activation with this id. Its members, if it has several, are combined into one view.
    pub async fn activation(&self, id: &ActivationId) -> Result<ActivationView, ActivationError> {
        let mut connection = self.store.read().await?;
        self.read(&mut connection, id).await
    }

    /// The activation with this id, with the first of its files only.
    pub async fn summary(&self, id: &ActivationId) -> Result<ActivationView, ActivationError> {
        let mut connection = self.store.read().await?;
        self.read_summary(&mut connection, id, &mut Users::default())
            .await
    }

    /// Summaries of up to `most` activations that `sees` accepts, and only of those of the requester `only` if it is given, in the
    /// order of [`store::activations::newest`].
    pub async fn activations(
        &self,
        which: Which,
        only: Option<&OperatorId>,
        most: usize,
        sees: Option<&(dyn Fn(&ActivationTerms) -> bool + Sync)>,
    ) -> Result<Vec<ActivationView>, ActivationError> {
        let mut connection = self.store.read().await?;
        let ids = store::activations::newest(&mut connection, which, only, most, sees).await?;
        let mut users = Users::default();
        let mut views = Vec::new();
        for id in ids {
            views.push(self.read_summary(&mut connection, &id, &mut users).await?);
        }
        Ok(views)
    }

    async fn read(
        &self,
        connection: &mut SqliteConnection,
        id: &ActivationId,
    ) -> Result<ActivationView, ActivationError> {
        // One transaction, so that states and approvals are from the same time.
        let mut snapshot = connection.begin().await.map_err(StoreError::from)?;
        let members = store::activations::members(&mut snapshot, id).await?;
        let members = members.into_iter().map(Summary::from).collect();
        self.view(&mut snapshot, id, members, &mut Users::default())
            .await
    }

    async fn read_summary(
        &self,
        connection: &mut SqliteConnection,
        id: &ActivationId,
        users: &mut Users,
    ) -> Result<ActivationView, ActivationError> {
        let mut snapshot = connection.begin().await.map_err(StoreError::from)?;
        let members = store::summaries::members(&mut snapshot, id).await?;
        self.view(&mut snapshot, id, members, users).await
    }

    async fn view(
        &self,
        connection: &mut SqliteConnection,
        id: &ActivationId,
        members: Vec<Summary>,
        users: &mut Users,
    ) -> Result<ActivationView, ActivationError> {
        let mut views = Vec::new();
        for member in &members {
            views.push(self.member(connection, member, users).await?);
        }
        match views.as_slice() {
            [] => Err(ActivationError::NotFound(id.clone())),
            [only] => Ok(only.clone()),
            [first, ..] => Ok(self.combine(first.clone(), &views)),
        }
    }

    /// Combines the views of all members of an activation.
    fn combine(&self, first: ActivationView, views: &[ActivationView]) -> ActivationView {
        let states: Vec<_> = views.iter().map(|view| view.state.clone()).collect();
        let signatures = views.iter().map(|view| view.signatures).sum();
        let left = match self.leases.pool(&first.id()) {
            Some(pool) => pool.left(),
            None => first.terms.lease.signatures.saturating_sub(signatures),
        };
        // Show the custodian as pending while any member still needs their decision.
        let waiting = |view: &&ActivationView| view.state == ActivationState::AwaitingApprovals;
        let shown = views.iter().find(waiting).unwrap_or(&first);
        let custodians = shown.custodians.iter().map(|custodian| {
            let decisions = views.iter().filter(waiting).filter_map(|view| {
                view.custodians
                    .iter()
                    .find(|other| other.key == custodian.key)
            });
            let mut pending = decisions.filter(|other| {
                matches!(
                    other.decision,
                    Decision::Pending | Decision::ApprovalLost { .. }
                )
            });
            pending.next_back().unwrap_or(custodian).clone()
        });
        ActivationView {
            state: combined(&states, left).unwrap_or(ActivationState::Queued),
            revision: views.iter().map(|view| view.revision).sum(),
            custodians: custodians.collect(),
            approvals: views
                .iter()
                .map(|view| view.approvals)
                .max()
                .unwrap_or_default(),
            signatures,
            notice: views.iter().find_map(|view| view.notice.clone()),
            members: views
                .iter()
                .map(|view| MemberView {
                    id: view.terms.id.clone(),
                    hsm: view.terms.hsm.clone(),
                    quorum: view.terms.quorum,
                    approvals: view.approvals,
                    state: view.state.clone(),
                    signatures: view.signatures,
                })
                .collect(),
            ..first
        }
    }

    /// The view of one member of an activation, with all files.
    pub(super) async fn whole_member(
        &self,
        connection: &mut SqliteConnection,
        activation: &Activation,
    ) -> Result<ActivationView, StoreError> {
        let whole = Summary::from(activation.clone());
        self.member(connection, &whole, &mut Users::default()).await
    }

    /// The view of one member of an activation.
    async fn member(
        &self,
        connection: &mut SqliteConnection,
        summary: &Summary,
        users: &mut Users,
    ) -> Result<ActivationView, StoreError> {
        let Summary {
            activation,
            omitted_files,
        } = summary;
        let id = &activation.terms.id;
        let decisions = store::activations::decisions(connection, id).await?;
        let registered = store::hsms::custodians(connection, &activation.terms.hsm.id).await?;
        let custodians = registered
            .into_iter()
            .map(|custodian| CustodianProgress {
                decision: decisions
                    .iter()
                    .find(|decision| decision.key == custodian.key)
                    .map_or(Decision::Pending, |decision| decision.decision.clone()),
                person: custodian.person,
                key: custodian.key,
                chr: custodian.chr,
                revoked: custodian.revoked,
            })
            .collect();
        let (signatures, reserved) = store::signatures::counts(connection, id).await?;
        let mut state = activation.state.clone();
        let mut notice = activation.notice.clone();
        if let ActivationState::Open { left, .. } = &mut state {
            *left = activation.terms.lease.signatures.saturating_sub(reserved);
            if let Some(lease) = self.leases.lease(id)
                && lease.handle.is_revoked()
            {
                *left = 0;
                notice = Some(
                    "No more signatures are possible: the server is storing the end of this activation"
                        .into(),
                );
            }
        }
        Ok(ActivationView {
            terms: activation.terms.clone(),
            omitted_files: *omitted_files,
            revision: activation.revision,
            state,
            custodians,
            approvals: activation.authenticated,
            signatures,
            notice: match notice {
                Some(notice) => Some(notice),
                None => queue_notice(connection, activation, users).await?,
            },
            members: Vec::new(),
            url: format!("{}/a/{}", self.origin, id.activation()),
        })
    }
}

/// Says what a queued activation waits for. It names an activation of the same requester, who can end it, but not one of another
/// requester.
async fn queue_notice(
    connection: &mut SqliteConnection,
    activation: &Activation,
    users: &mut Users,
) -> Result<Option<String>, StoreError> {
    let terms = &activation.terms;
    if activation.state != ActivationState::Queued {
        return Ok(None);
    }
    let hsm = &terms.hsm.id;
    if !users.contains_key(hsm) {
        let user = store::summaries::user_of(connection, hsm).await?;
        users.insert(hsm.clone(), user.map(|user| user.activation));
    }
    let Some(other) = users.get(hsm).and_then(Option::as_ref) else {
        return Ok(Some(format!("HSM {hsm} is not connected or not ready")));
    };
    let phase = match &other.state {
        ActivationState::Open { until, .. } => {
            let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
            format!("open until {until} at the latest")
        }
        _ => "waiting for approvals".into(),
    };
    Ok(Some(if other.terms.requester.id == terms.requester.id {
        let id = other.terms.id.activation();
        let reason = &other.terms.reason;
        format!(
            "HSM {hsm} is in use by activation {id} of the same requester (\"{reason}\"), which is {phase}. If it is no longer \
             needed, `countersign activation lock {id}` ends it"
        )
    } else {
        format!("HSM {hsm} is in use by another requester's activation, which is {phase}")
    }))
}
