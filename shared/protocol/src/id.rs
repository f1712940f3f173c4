//! Identifiers. Each kind has a type of its own, so that they cannot be confused.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Creates an identifier from the text that was received or stored.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::new(text))
            }
        }
    };
}

id!(
    /// The identifier of a person who is known to the server.
    OperatorId
);
id!(
    /// The identifier of an invitation, which is not its secret code.
    InvitationId
);
id!(
    /// The identifier of an act, which people sign.
    ActId
);
id!(
    /// The name of a signing HSM on this server.
    HsmId
);
id!(
    /// The identifier of an activation, which is short enough to be read aloud.
    ActivationId
);
id!(
    /// The identifier of an activation's part on one HSM. An activation for one HSM has one part, with the same
    /// identifier; in a pool every HSM has a part of its own, which is called a member.
    MemberId
);
id!(
    /// The identifier of an API token, which is not its secret.
    TokenId
);
id!(
    /// The identifier of a session of the portal, which is not its secret.
    SessionId
);
id!(
    /// The identifier of one signature that was made under a lease.
    SignatureId
);

impl ActivationId {
    /// The identifier of a member, by its place in the pool. The first member has the identifier of the activation.
    pub fn member(&self, place: usize) -> MemberId {
        match place {
            0 => MemberId(self.0.clone()),
            more => MemberId(format!("{}.{}", self.0, more + 1)),
        }
    }
}

impl MemberId {
    /// The activation to which the member belongs.
    pub fn activation(&self) -> ActivationId {
        ActivationId(self.0.split('.').next().unwrap_or_default().to_owned())
    }
}
