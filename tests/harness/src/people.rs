//! The people of a deployment: Anna, Ben, Carla and Doug.

use crate::person::Person;

/// Their names: the first is the admin, the last the requester.
pub const NAMES: [&str; 4] = ["Anna", "Ben", "Carla", "Doug"];

/// Everyone is enrolled and logged in.
#[derive(Clone)]
pub struct People {
    /// Admin and custodian.
    pub anna: Person,
    /// Custodian.
    pub ben: Person,
    /// Custodian.
    pub carla: Person,
    /// Requester, also the owner of the command line's token.
    pub doug: Person,
}

impl People {
    /// Anna, Ben and Carla.
    pub fn custodians(&self) -> [&Person; 3] {
        [&self.anna, &self.ben, &self.carla]
    }
}
