//! Roles in words.

use countersign_protocol::operator::Role;

use super::all_of;

/// The role as a label.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Admin => "Admin",
        Role::Custodian => "Custodian",
        Role::Requester => "Requester",
        Role::Auditor => "Auditor",
    }
}

/// "admin and custodian".
pub fn roles(roles: &[Role]) -> String {
    let names: Vec<_> = roles
        .iter()
        .map(|role| role_name(*role).to_lowercase())
        .collect();
    all_of(&names)
}
