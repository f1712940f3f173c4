//! The state that handlers share. A handler takes only the services that it needs, such as `State(people): State<People>`.

use std::sync::Arc;

use axum::extract::FromRef;

use super::{auth::Authenticator, ram::RamEndpoint};
use crate::{
    activation::Activations,
    config::Config,
    devices::Devices,
    events::Changes,
    hsm::Hsms,
    identity::ServerKey,
    keys::Keys,
    people::People,
    signing::Signing,
    tokens::Tokens,
    views::{Announcements, Views},
};

#[derive(Clone, FromRef)]
pub struct State {
    pub auth: Authenticator,
    pub ram: RamEndpoint,
    pub config: Arc<Config>,
    pub identity: Arc<ServerKey>,
    pub changes: Changes,
    pub announcements: Announcements,
    pub hsms: Hsms,
    pub people: People,
    pub tokens: Tokens,
    pub keys: Keys,
    pub activations: Activations,
    pub signing: Signing,
    pub devices: Devices,
    pub views: Views,
}
