//! The state of the module between `C_Initialize` and `C_Finalize`.

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
    lease::Ask,
    login::{Login, Logins},
    mechanism::{self, PssParameters},
    object::Object,
    record::Recorder,
    report,
    rv::{Result, Rv},
    session::{Session, Sessions},
    sign::{Destination, Signing},
};

/// The module of this process. It is not behind a lock, because a lock that another thread holds during a fork would
/// stay locked in the child.
static MODULE: ArcSwapOption<Module> = ArcSwapOption::const_empty();

pub struct Module {
    /// The id of the process that initialised the module. A child process must not use it, because the connections
    /// belong to the parent.
    process: u32,
    connection: Connection,
    directory: Directory,
    pub sessions: Sessions,
    logins: Logins,
    recorder: Option<Recorder>,
    finalized: AtomicBool,
}

impl Module {
    /// `C_Initialize`, which does not connect to the server yet.
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
        // The module that a parent process left is not dropped, because closing its connections would end the parent's
        // too.
        std::mem::forget(current.clone());
        Ok(())
    }

    /// `C_Finalize`. Threads that wait in `C_Login` return soon afterwards.
    pub fn finalize() -> Result<()> {
        let module = Self::get()?;
        module.finalized.store(true, Ordering::SeqCst);
        MODULE.store(None);
        Ok(())
    }

    /// Returns the module, if this process initialised it.
    pub fn get() -> Result<Arc<Self>> {
        MODULE
            .load_full()
            .filter(|module| module.is_ours())
            .ok_or(Rv(ck::CKR_CRYPTOKI_NOT_INITIALIZED))
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.directory.slots(&self.connection)
    }

    pub fn slot(&self, id: CK_SLOT_ID) -> Result<Arc<Slot>> {
        self.directory
            .slot(&self.connection, id)
            .ok_or(Rv(ck::CKR_SLOT_ID_INVALID))
    }

    /// Whether `C_Login` waits for the quorum, or the first `C_SignInit`.
    pub fn waits_in_login(&self) -> bool {
        self.connection.settings().wait_in == WaitIn::Login
    }

    pub fn is_logged_in(&self, slot: CK_SLOT_ID) -> bool {
        self.logins.is_logged_in(slot)
    }

    /// Ends the login of a session's slot if its lease has ended meanwhile. The server is asked at most once per second.
    pub fn notice_end_of_lease(&self, session: &Session) {
        if let Ok(client) = self.connection.quiet() {
            self.logins.notice_end(client, &session.slot, Ask::Seldom);
        }
    }

    /// Whether an object is visible in a session.
    pub fn is_visible(&self, session: &Session, object: &Object) -> bool {
        !object.private || self.is_logged_in(session.slot.id)
    }

    /// Returns the object with this handle, if it is visible in the session.
    pub fn object<'a>(
        &self,
        session: &'a Session,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<(&'a Token, &'a Object)> {
        let token = token(&session.slot)?;
        let object = token.objects.iter().find(|object| object.handle == handle);
        object
            .filter(|object| self.is_visible(session, object))
            .map(|object| (token, object))
            .ok_or(Rv(ck::CKR_OBJECT_HANDLE_INVALID))
    }

    /// `C_Login` as user.
    ///
    /// # Errors
    /// The slot is logged in already, or the HSM was not opened. The reason is reported on standard error.
    pub fn login(&self, session: &Session) -> Result<()> {
        let slot = &session.slot;
        let token = token(slot)?;
        if !self.waits_in_login() {
            // Programs that log in although it is not required succeed.
            return Ok(());
        }
        if let Some(recorder) = &self.recorder {
            recorder.announce();
            if self.is_logged_in(slot.id) {
                return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
            }
            self.logins.start_recording(slot.id);
            return Ok(());
        }
        let client = self
            .connection
            .regular()
            .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
        self.logins
            .open_slot(client, &self.connection.settings(), (slot, token), || {
                self.finalized.load(Ordering::SeqCst)
            })
    }

    /// `C_Logout`. The lease stays open, because other processes of a build use it too.
    pub fn logout(&self, session: &Session) -> Result<()> {
        if self.logins.forget(session.slot.id) || !self.waits_in_login() {
            Ok(())
        } else {
            Err(Rv(ck::CKR_USER_NOT_LOGGED_IN))
        }
    }

    /// Ends the login of a slot after its last session was closed.
    pub fn on_last_session_closed(&self, slot: CK_SLOT_ID) {
        self.logins.forget(slot);
    }

    /// `C_SignInit`.
    ///
    /// # Errors
    /// The key or the mechanism cannot be used, or the program has to log in first.
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
        let parameters = mechanism::sign_parameters(key, mechanism, pss)
            .inspect_err(|error| report_invalid_mechanism(key, mechanism, *error))?;
        if let Some(recorder) = &self.recorder {
            // The recording is announced here too, because programs need not log in if `wait_in` is `sign`.
            recorder.announce();
        } else if !self.waits_in_login() {
            let client = self
                .connection
                .regular()
                .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
            self.logins.open_key(
                client,
                &self.connection.settings(),
                &session.slot,
                key,
                || self.finalized.load(Ordering::SeqCst),
            )?;
        }
        Ok(Signing::new(key.clone(), parameters))
    }

    /// Whether the object exists, but is only visible after a login.
    fn is_hidden(&self, session: &Session, handle: CK_OBJECT_HANDLE) -> bool {
        token(&session.slot).is_ok_and(|token| {
            token
                .objects
                .iter()
                .any(|object| object.handle == handle && !self.is_visible(session, object))
        })
    }

    /// Completes a signature, or records it in recording mode.
    pub fn sign(&self, session: &Session, signing: Signing) -> Result<Vec<u8>> {
        if let Some(recorder) = &self.recorder {
            return signing.finish(&Destination::Recorder(recorder));
        }
        let slot = session.slot.id;
        let fingerprint: Fingerprint = signing.key().fingerprint;
        let lease = match self.logins.of_slot(slot) {
            Some(Login::Lease(lease)) => Some(lease),
            Some(Login::Recording) => None,
            None => self.logins.of_key(slot, &fingerprint),
        };
        let lease = lease.ok_or(Rv(ck::CKR_USER_NOT_LOGGED_IN))?;
        let activation = &lease.activation;
        let client = self
            .connection
            .regular()
            .map_err(|_| Rv(ck::CKR_FUNCTION_FAILED))?;
        let result = signing.finish(&Destination::Activation(client, activation));
        if result == Err(Rv(ck::CKR_USER_NOT_LOGGED_IN)) {
            self.logins.forget_activation(activation);
        }
        result
    }
}

/// Reports a mechanism that is not offered, because few programs name it in their error.
fn report_invalid_mechanism(key: &SigningKeyView, mechanism: ck::CK_MECHANISM_TYPE, error: Rv) {
    if error == Rv(ck::CKR_MECHANISM_INVALID) {
        report::line(&format!(
            "key {} does not offer the PKCS#11 mechanism {mechanism:#x}: use a mechanism with SHA-256, SHA-384 or SHA-512",
            printable(&key.label)
        ));
    }
}

/// Returns the token in a slot.
///
/// # Errors
/// The HSM is disconnected or not usable.
pub fn token(slot: &Slot) -> Result<&Token> {
    slot.token.as_ref().ok_or(Rv(ck::CKR_TOKEN_NOT_PRESENT))
}
