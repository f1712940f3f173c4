//! A token with a log-in.

use std::path::Path;

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};

use crate::LoadError;

/// A loaded module, its token, and the session that holds the log-in.
pub(crate) struct Token {
    module: Pkcs11,
    slot: Slot,
    session: Session,
}

impl Token {
    /// Loads the module and logs in to its token, without a PIN through the token's protected authentication path.
    pub(crate) fn log_in(path: &Path, label: &str, pin: Option<String>) -> Result<Self, LoadError> {
        let cannot = |why| LoadError::Module {
            path: path.to_owned(),
            why,
        };
        let module = Pkcs11::new(path).map_err(cannot)?;
        module
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(cannot)?;
        let slot = find(&module, label)?;
        let info = module
            .get_token_info(slot)
            .map_err(LoadError::refused("read the token's information"))?;
        if pin.is_none() && !info.protected_authentication_path() {
            return Err(LoadError::PinNeeded);
        }
        let session = open(&module, slot)?;
        session
            .login(UserType::User, pin.map(AuthPin::from).as_ref())
            .map_err(LoadError::refused("log in"))?;
        Ok(Self {
            module,
            slot,
            session,
        })
    }

    /// The session that holds the log-in.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Opens another session.
    pub(crate) fn open_session(&self) -> Result<Session, LoadError> {
        open(&self.module, self.slot)
    }
}

fn open(module: &Pkcs11, slot: Slot) -> Result<Session, LoadError> {
    module
        .open_ro_session(slot)
        .map_err(LoadError::refused("open a session"))
}

fn find(module: &Pkcs11, label: &str) -> Result<Slot, LoadError> {
    let slots = module
        .get_slots_with_token()
        .map_err(LoadError::refused("list the tokens"))?;
    // OpenSC also lists slots whose tokens cannot be read; skip them.
    let tokens: Vec<_> = slots
        .into_iter()
        .filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)))
        .map(|(slot, info)| (slot, info.label().trim_end().to_owned()))
        .collect();
    let mut matching = tokens.iter().filter(|(_, found)| found == label);
    match (matching.next(), matching.next()) {
        (Some((slot, _)), None) => Ok(*slot),
        _ => Err(LoadError::TokenLabel {
            wanted: label.to_owned(),
            found: tokens.into_iter().map(|(_, label)| label).collect(),
        }),
    }
}
