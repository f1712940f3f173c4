//! A caller whose credential was accepted.

use countersign_protocol::{
    activation::ActivationTerms,
    audit::Actor,
    id::{SessionId, TokenId},
    operator::{Person, Role},
    problem::ProblemCode,
    session::SessionView,
};

use crate::{activation::Requester, http::problem::ApiError};

#[derive(Clone, Debug)]
pub enum Caller {
    /// A person who is logged in to the portal.
    Session { session: SessionView, id: SessionId },
    /// A program with an API token. It acts as a requester only, whatever roles its owner has.
    Token {
        /// The owner's session view.
        session: SessionView,
        token: TokenId,
        /// Labels or fingerprints of the keys that it may use; empty if it may use every key.
        keys: Vec<String>,
    },
}

impl Caller {
    fn view(&self) -> &SessionView {
        match self {
            Self::Session { session, .. } | Self::Token { session, .. } => session,
        }
    }

    /// The person that the caller is or acts for.
    pub fn person(&self) -> &Person {
        &self.view().person
    }

    /// The caller as the audit log names it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Session { session, .. } => Actor::Operator {
                person: session.person.clone(),
            },
            Self::Token { session, token, .. } => Actor::Token {
                person: session.person.clone(),
                token: token.clone(),
            },
        }
    }

    /// Whether the caller has this role.
    pub fn is(&self, role: Role) -> bool {
        match self {
            Self::Session { session, .. } => session.roles.contains(&role),
            Self::Token { session, .. } => role == Role::Requester && session.roles.contains(&role),
        }
    }

    /// Whether the caller may see other people's activations.
    pub fn sees_all(&self) -> bool {
        [Role::Admin, Role::Custodian, Role::Auditor]
            .into_iter()
            .any(|role| self.is(role))
    }

    /// Whether the caller may see an activation. Requesters see only their own, and a token that is limited to some keys sees only
    /// activations of these keys.
    pub fn sees(&self, terms: &ActivationTerms) -> bool {
        let actor = self.actor();
        let own = terms.requester.id == self.person().id;
        self.sees_all() || (own && self.requester_as(&actor).may_use_all_of(&terms.purpose))
    }

    /// Checks that the caller has this role.
    ///
    /// # Errors
    /// `not-allowed`: the caller does not have the role.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        if self.is(role) {
            Ok(())
        } else {
            Err(ApiError::new(
                ProblemCode::NotAllowed,
                format!("this requires the role `{role}`: ask an admin for it"),
            ))
        }
    }

    /// The caller as a requester of signatures or keys; `actor` is [`Self::actor`].
    pub fn requester_as<'a>(&'a self, actor: &'a Actor) -> Requester<'a> {
        Requester {
            person: self.person(),
            actor,
            may_sign: self.is(Role::Requester),
            may_generate: self.is(Role::Admin),
            keys: match self {
                Self::Session { .. } => &[],
                Self::Token { keys, .. } => keys,
            },
        }
    }

    /// The session of the person.
    ///
    /// # Errors
    /// `not-allowed`: the caller is a program.
    pub fn session_id(&self) -> Result<&SessionId, ApiError> {
        match self {
            Self::Session { id, .. } => Ok(id),
            Self::Token { .. } => Err(ApiError::new(
                ProblemCode::NotAllowed,
                "an API token has no session: log in to the portal instead",
            )),
        }
    }

    /// The response to `GET /session`.
    pub fn to_view(&self) -> SessionView {
        self.view().clone()
    }
}
