//! Identifiers: one newtype per kind, so that none can stand in for another.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps an identifier as it came over the wire or out of the store.
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
    /// A person known to the server.
    OperatorId
);
id!(
    /// An invitation (never its secret code).
    InvitationId
);
id!(
    /// An attached signing HSM: the name that the server's configuration gives it.
    HsmId
);
id!(
    /// A request to open a signing HSM; short enough to be read aloud.
    ActivationId
);
id!(
    /// An API token (never its secret).
    TokenId
);
id!(
    /// One signature made under a lease.
    SignatureId
);

impl ActivationId {
    /// The id under which the HSM at this place of a pool is opened: the first one's is the activation's own.
    #[must_use]
    pub fn member(&self, place: usize) -> Self {
        match place {
            0 => self.clone(),
            more => Self(format!("{}.{}", self.0, more + 1)),
        }
    }

    /// The activation that an id, or that of a member, belongs to.
    #[must_use]
    pub fn activation(&self) -> Self {
        Self(self.0.split('.').next().unwrap_or_default().to_owned())
    }
}
