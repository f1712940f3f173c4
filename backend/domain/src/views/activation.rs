//! Activations as they are shown.

use countersign_protocol::{
    activation::{
        ActivationState, ActivationTerms, ActivationView, Answer, CustodianProgress, MemberView,
    },
    id::{ActivationId, OperatorId},
};
use sqlx::{Connection, SqliteConnection};

use super::Views;
use crate::{
    activation::{ActivationError, combined},
    store::{
        self, StoreError,
        activations::{Activation, Which},
    },
};

impl Views {
    /// The activation with this id, on however many HSMs.
    ///
    /// # Errors
    /// [`ActivationError::NotFound`]
    pub async fn activation(&self, id: &ActivationId) -> Result<ActivationView, ActivationError> {
        let mut connection = self.store.read().await?;
        self.read(&mut connection, id).await
    }

    /// The newest activations that `sees` accepts, up to `most`; `only`: those of one requester.
    pub async fn activations(
        &self,
        which: Which,
        only: Option<&OperatorId>,
        most: usize,
        sees: Option<&(dyn Fn(&ActivationTerms) -> bool + Sync)>,
    ) -> Result<Vec<ActivationView>, ActivationError> {
        let mut connection = self.store.read().await?;
        let ids = store::activations::newest(&mut connection, which, only, most, sees).await?;
        let mut views = Vec::new();
        for id in ids {
            views.push(self.read(&mut connection, &id).await?);
        }
        Ok(views)
    }

    async fn read(
        &self,
        connection: &mut SqliteConnection,
        id: &ActivationId,
    ) -> Result<ActivationView, ActivationError> {
        // One moment: states and approvals belong together.
        let mut moment = connection.begin().await.map_err(StoreError::from)?;
        let members = store::activations::members(&mut moment, id).await?;
        let mut views = Vec::new();
        for member in &members {
            views.push(self.member(&mut moment, member).await?);
        }
        match views.as_slice() {
            [] => Err(ActivationError::NotFound(id.clone())),
            [only] => Ok(only.clone()),
            [first, ..] => Ok(self.together(first.clone(), &views)),
        }
    }

    /// One view of all HSMs of a pool.
    fn together(&self, first: ActivationView, views: &[ActivationView]) -> ActivationView {
        let states: Vec<_> = views.iter().map(|view| view.state.clone()).collect();
        let signatures = views.iter().map(|view| view.signatures).sum();
        let left = match self.leases.pool(&first.terms.id) {
            Some(pool) => pool.left(),
            None => first.terms.lease.signatures.saturating_sub(signatures),
        };
        // Show the custodian as pending while any member still needs their answer.
        let asking = |view: &&ActivationView| view.state == ActivationState::Collecting;
        let asked = views.iter().find(asking).unwrap_or(&first);
        let custodians = asked.custodians.iter().map(|custodian| {
            let answers = views.iter().filter(asking).filter_map(|view| {
                view.custodians
                    .iter()
                    .find(|other| other.key == custodian.key)
            });
            let mut wanting = answers
                .filter(|other| matches!(other.answer, Answer::Missing | Answer::Forgotten { .. }));
            wanting.next_back().unwrap_or(custodian).clone()
        });
        ActivationView {
            state: combined(&states, left).unwrap_or(ActivationState::Queued),
            revision: views.iter().map(|view| view.revision).sum(),
            custodians: custodians.collect(),
            authenticated: views
                .iter()
                .map(|view| view.authenticated)
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
                    authenticated: view.authenticated,
                    state: view.state.clone(),
                    signatures: view.signatures,
                })
                .collect(),
            ..first
        }
    }

    /// One HSM's part of an activation.
    pub(super) async fn member(
        &self,
        connection: &mut SqliteConnection,
        activation: &Activation,
    ) -> Result<ActivationView, StoreError> {
        let id = &activation.terms.id;
        let answers = store::activations::answers(connection, id).await?;
        let registered = store::hsms::custodians(connection, &activation.terms.hsm.id).await?;
        let custodians = registered
            .into_iter()
            .map(|custodian| CustodianProgress {
                answer: answers
                    .iter()
                    .find(|answer| answer.key == custodian.key)
                    .map_or(Answer::Missing, |answer| answer.answer.clone()),
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
                    "Nothing more is signed: the server is storing the end of this activation."
                        .into(),
                );
            }
        }
        Ok(ActivationView {
            terms: activation.terms.clone(),
            revision: activation.revision,
            state,
            custodians,
            authenticated: activation.authenticated,
            signatures,
            notice: match notice {
                Some(notice) => Some(notice),
                None => ahead(connection, activation).await?,
            },
            members: Vec::new(),
            url: format!("{}/a/{}", self.origin, id.activation()),
        })
    }
}

/// What a queued activation waits for. Its requester may end an activation of their own, and is not told of others'.
async fn ahead(
    connection: &mut SqliteConnection,
    activation: &Activation,
) -> Result<Option<String>, StoreError> {
    let terms = &activation.terms;
    if activation.state != ActivationState::Queued {
        return Ok(None);
    }
    let active = store::activations::active_of(connection, &terms.hsm.id).await?;
    let first = active
        .iter()
        .find(|other| other.state != ActivationState::Queued && other.terms.id != terms.id);
    let Some(other) = first else {
        return Ok(Some("The HSM is absent, or not ready yet".into()));
    };
    let until = match other.state {
        ActivationState::Open { until, .. } => {
            let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
            format!("open until {until} at most")
        }
        _ => "waiting for its custodians".into(),
    };
    Ok(Some(if other.terms.requester.id == terms.requester.id {
        let id = other.terms.id.activation();
        let reason = &other.terms.reason;
        format!(
            "Activation {id} of the same requester, \"{reason}\", has the HSM, {until}; if it is needed no longer, \
             `countersign activation lock {id}` ends it"
        )
    } else {
        format!("Another requester's activation has the HSM, {until}")
    }))
}
