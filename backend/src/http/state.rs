//! The state that handlers share. A handler takes only the services that it needs, such as `State(people): State<People>`.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;

use super::{auth::Authenticator, ram::RamEndpoint};
use crate::{
    activation::Activations,
    acts::Acts,
    config::Config,
    devices::Devices,
    events::Changes,
    hsm::Hsms,
    identity::ServerKey,
    keys::Keys,
    people::People,
    refusals::Refusals,
    signing::Signing,
    tokens::Tokens,
    views::{Announcements, Views},
};

/// Declares [`Services`], and lets handlers take each service from [`State`].
macro_rules! services {
    ($($name:ident: $service:ty,)*) => {
        /// Every service that a handler can take.
        pub struct Services {
            $(pub $name: $service,)*
        }

        $(impl FromRef<State> for $service {
            fn from_ref(state: &State) -> Self {
                state.$name.clone()
            }
        })*
    };
}

services! {
    auth: Authenticator,
    ram: RamEndpoint,
    config: Arc<Config>,
    identity: Arc<ServerKey>,
    changes: Changes,
    announcements: Announcements,
    hsms: Hsms,
    people: People,
    acts: Acts,
    refusals: Refusals,
    tokens: Tokens,
    keys: Keys,
    activations: Activations,
    signing: Signing,
    devices: Devices,
    views: Views,
}

/// The services behind one pointer, because every layer and handler clones the state for every request.
#[derive(Clone)]
pub struct State(Arc<Services>);

impl From<Services> for State {
    fn from(services: Services) -> Self {
        Self(Arc::new(services))
    }
}

impl Deref for State {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}
