//! The state between `C_Initialize` and `C_Finalize`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use countersign_client::{WaitIn, words::printable};
use countersign_protocol::{cvc::Fingerprint, hsm::SigningKeyView};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SLOT_ID};

use crate::{
    connection::Connection,
    directory::{Directory, Slot, Token},
    login::{Login, Logins},
    mechanism::{self, PssParameters},
    object::Object,
    record::Recorder,
    report,
    rv::{Result, Rv},
    session::{Session, Sessions},
    sign::{Signing, Under},
};

/// No lock: after a fork, one that another thread held would be held for ever.
static MODULE: ArcSwapOption<Module> = ArcSwapOption::const_empty();

/// What the module knows and does in one process.
pub struct Module {
    /// A child that inherits this by fork must not use it: connections belong to the parent.
    process: u32,
    connection: Connection,
    directory: Directory,
    /// Sessions.
    pub sessions: Sessions,
    logins: Logins,
    recorder: Option<Recorder>,
    finalized: AtomicBool,
}

impl Module {
    /// `C_Initialize`. Asks nobody yet.
    ///
    /// # Errors
    /// `CKR_CRYPTOKI_ALREADY_INITIALIZED`.
    pub fn initialize() -> Result<()> {
        let current = MODULE.load();
        if current.as_ref().is_some_and(|module| module.is_ours()) {
            return Err(Rv(ck::CKR_CRYPTOKI_ALREADY_INITIALIZED));
        }
        let new = Arc::new(Self {
            process: std::process::id(),
            connection: Connection::default(),
            directory: Directory::default(),
            sessions: Sessions::default(),
            logins: Logins::default(),
            recorder: Recorder::from_environment(),
            finalized: AtomicBool::new(false),
        });
        let before = MODULE.compare_and_swap(&*current, Some(new));
        let raced = before.as_ref().map(Arc::as_ptr) != current.as_ref().map(Arc::as_ptr);
        if raced {
            return Err(Rv(ck::CKR_CRYPTOKI_ALREADY_INITIALIZED));
        }
        // What a parent process left must not be taken apart here: its connections would say good-bye to the server.
        std::mem::forget(current.clone());
        Ok(())
    }

    /// `C_Finalize`. Whoever waits in `C_Login` returns soon.
    ///
    /// # Errors
    /// `CKR_CRYPTOKI_NOT_INITIALIZED`.
    pub fn finalize() -> Result<()> {
        let module = Self::get()?;
        module.finalized.store(true, Ordering::SeqCst);
        MODULE.store(None);
        Ok(())
    }

    /// The module, if this process initialised it.
    ///
    /// # Errors
    /// `CKR_CRYPTOKI_NOT_INITIALIZED`.
    pub fn get() -> Result<Arc<Self>> {
        MODULE
            .load_full()
            .filter(|module| module.is_ours())
            .ok_or(Rv(ck::CKR_CRYPTOKI_NOT_INITIALIZED))
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Every slot.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.directory.slots(&self.connection)
    }

    /// One slot.
    ///
    /// # Errors
    /// `CKR_SLOT_ID_INVALID`.
    pub fn slot(&self, id: CK_SLOT_ID) -> Result<Arc<Slot>> {
        self.directory
            .slot(&self.connection, id)
            .ok_or(Rv(ck::CKR_SLOT_ID_INVALID))
    }

    /// Whether `C_Login` is what waits for the quorum.
    pub fn waits_in_login(&self) -> bool {
        self.connection.settings().wait_in == WaitIn::Login
    }

    /// Whether private keys can be used.
    pub fn is_logged_in(&self, slot: CK_SLOT_ID) -> bool {
        self.logins.is_logged_in(slot)
    }

    /// Whether a session may see an object.
    pub fn sees(&self, session: &Session, object: &Object) -> bool {
        !object.private || self.is_logged_in(session.slot.id)
    }

    /// The object with this handle, as the session sees it.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`.
    pub fn object<'a>(
        &self,
        session: &'a Session,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<(&'a Token, &'a Object)> {
        let token = token(&session.slot)?;
        let object = token.objects.iter().find(|object| object.handle == handle);
        object
            .filter(|object| self.sees(session, object))
            .map(|object| (token, object))
            .ok_or(Rv(ck::CKR_OBJECT_HANDLE_INVALID))
    }

    /// `C_Login` as user.
    ///
    /// # Errors
    /// `CKR_USER_ALREADY_LOGGED_IN`, or why the HSM was not opened.
    pub fn login(&self, session: &Session) -> Result<()> {
        let slot = &session.slot;
        let token = token(slot)?;
        if !self.waits_in_login() {
            // Nothing to wait for; the program may believe that it logged in.
            return Ok(());
        }
        if let Some(recorder) = &self.recorder {
            recorder.announce();
            if self.is_logged_in(slot.id) {
                return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
            }
            self.logins.record(slot.id);
            return Ok(());
        }
        let client = self
            .connection
            .patient()
            .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
        self.logins
            .open_slot(client, &self.connection.settings(), (slot, token), || {
                self.finalized.load(Ordering::SeqCst)
            })
    }

    /// `C_Logout`. The lease goes on: other processes of a build use it.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN`.
    pub fn logout(&self, session: &Session) -> Result<()> {
        if self.logins.forget(session.slot.id) || !self.waits_in_login() {
            Ok(())
        } else {
            Err(Rv(ck::CKR_USER_NOT_LOGGED_IN))
        }
    }

    /// The last session of a slot was closed.
    pub fn slot_unused(&self, slot: CK_SLOT_ID) {
        self.logins.forget(slot);
    }

    /// `C_SignInit`.
    ///
    /// # Errors
    /// Key or mechanism that cannot be used; `CKR_USER_NOT_LOGGED_IN`.
    pub fn sign_init(
        &self,
        session: &Session,
        key: CK_OBJECT_HANDLE,
        mechanism: ck::CK_MECHANISM_TYPE,
        pss: Option<PssParameters>,
    ) -> Result<Signing> {
        let (token, object) = match self.object(session, key) {
            Ok(found) => found,
            Err(_) if self.is_hidden(session, key) => return Err(Rv(ck::CKR_USER_NOT_LOGGED_IN)),
            Err(_) => return Err(Rv(ck::CKR_KEY_HANDLE_INVALID)),
        };
        if object.class != ck::CKO_PRIVATE_KEY {
            return Err(Rv(ck::CKR_KEY_HANDLE_INVALID));
        }
        let key = token.key_of(object).ok_or(Rv(ck::CKR_KEY_HANDLE_INVALID))?;
        let wanted = mechanism::wanted(key, mechanism, pss)
            .inspect_err(|why| refused(key, mechanism, *why))?;
        if let Some(recorder) = &self.recorder {
            // Where C_Login waits for nobody, programs may leave it out.
            recorder.announce();
        } else if !self.waits_in_login() {
            let client = self
                .connection
                .patient()
                .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
            self.logins.open_key(
                client,
                &self.connection.settings(),
                &session.slot,
                key,
                || self.finalized.load(Ordering::SeqCst),
            )?;
        }
        Ok(Signing::new(key.clone(), wanted))
    }

    /// There, but only for those who logged in.
    fn is_hidden(&self, session: &Session, handle: CK_OBJECT_HANDLE) -> bool {
        token(&session.slot).is_ok_and(|token| {
            token
                .objects
                .iter()
                .any(|object| object.handle == handle && !self.sees(session, object))
        })
    }

    /// The signature.
    ///
    /// # Errors
    /// As [`Signing::finish`].
    pub fn sign(&self, session: &Session, signing: Signing) -> Result<Vec<u8>> {
        if let Some(recorder) = &self.recorder {
            return signing.finish(&Under::Recording(recorder));
        }
        let slot = session.slot.id;
        let fingerprint: Fingerprint = signing.key().fingerprint;
        let activation = match self.logins.of_slot(slot) {
            Some(Login::Activation(activation)) => Some(activation),
            Some(Login::Recording) => None,
            None => self.logins.of_key(slot, &fingerprint),
        };
        let activation = activation.ok_or(Rv(ck::CKR_USER_NOT_LOGGED_IN))?;
        let client = self
            .connection
            .patient()
            .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
        let result = signing.finish(&Under::Activation(client, &activation));
        if result == Err(Rv(ck::CKR_USER_NOT_LOGGED_IN)) {
            self.logins.over(&activation);
        }
        result
    }
}

/// Custodians may have agreed already, and few programs say what they wanted.
fn refused(key: &SigningKeyView, mechanism: ck::CK_MECHANISM_TYPE, why: Rv) {
    if why == Rv(ck::CKR_MECHANISM_INVALID) {
        report::line(&format!(
            "nothing is signed with {}: the program wants the PKCS#11 mechanism {mechanism:#x}, which is not offered; \
             hashes are SHA-256, SHA-384 or SHA-512",
            printable(&key.label)
        ));
    }
}

/// The token in a slot.
///
/// # Errors
/// `CKR_TOKEN_NOT_PRESENT`.
pub fn token(slot: &Slot) -> Result<&Token> {
    slot.token.as_ref().ok_or(Rv(ck::CKR_TOKEN_NOT_PRESENT))
}
