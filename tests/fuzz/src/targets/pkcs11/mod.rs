//! Programs that call the PKCS#11 module with any arguments in any order, at a server that opens the HSM at once.
//!
//! The input is a sequence of calls; each takes its arguments from the bytes that follow.
#![expect(unsafe_code, reason = "the module has a C interface")]

mod server;

use std::{ptr, sync::LazyLock};

use countersign_pkcs11::ffi::C_GetFunctionList;
use cryptoki_sys as ck;

/// Calls of one sequence.
const MOST_CALLS: usize = 64;

/// Room for what a call returns, in bytes.
const ROOM: usize = 512;

static FUNCTIONS: LazyLock<ck::CK_FUNCTION_LIST> = LazyLock::new(|| {
    let address = server::start();
    // SAFETY: this target runs in a process of its own, which has no other thread yet that reads the environment.
    unsafe {
        std::env::set_var("COUNTERSIGN_SERVER", format!("http://{address}"));
        std::env::set_var("COUNTERSIGN_TOKEN", server::TOKEN);
    }
    let mut list = ptr::null_mut();
    // SAFETY: the place is a pointer of this function, and the module's list is valid for ever.
    unsafe {
        assert_eq!(C_GetFunctionList(&raw mut list), ck::CKR_OK);
        *list
    }
});

/// The module answers every call with a return value and never writes beyond the room that it was given.
pub fn run(data: &[u8]) {
    let mut program = Program {
        input: data.iter(),
        functions: *FUNCTIONS,
        session: 0,
        object: 0,
    };
    program.initialize();
    for _ in 0..MOST_CALLS {
        let Some(call) = program.input.next() else {
            break;
        };
        program.call(*call);
    }
    program.finalize();
}

/// A short session of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    const OPEN: &[u8] = &[0, 0, 4];
    // All objects; then the private keys alone.
    const FIND: &[u8] = &[2, 0, 3, 8, 4, 2, 1, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 3, 8, 4];
    const LOG_IN: &[u8] = &[10, 1];
    let digest = [&[6, 0, 0, 0, 7, 32][..], &[0xA5; 32], &[64]].concat();
    let parts = [6, 1, 0, 0, 8, 3, 1, 2, 3, 8, 2, 4, 5, 9, 72];
    let attributes = [5, 0, 4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 20];
    vec![
        OPEN.to_vec(),
        [OPEN, FIND].concat(),
        [OPEN, FIND, LOG_IN, &digest, &parts].concat(),
        [OPEN, LOG_IN, FIND, &digest, &[11, 10, 1], &digest, &[16]].concat(),
        [
            OPEN,
            FIND,
            &attributes,
            &[12, 0, 13, 0, 14, 0, 32, 1, 15, 0, 17, 200],
        ]
        .concat(),
    ]
}

/// Calls the function of this name, and checks that it did not fail inside.
macro_rules! call {
    ($program:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let function = $program.functions.$name.expect("every function is in the list");
        // SAFETY: the pointers are valid for the lengths that are passed with them, or null.
        let value = unsafe { function($($argument),*) };
        assert_ne!(value, ck::CKR_GENERAL_ERROR, "the module failed inside");
        value
    }};
}

struct Program<'a> {
    input: std::slice::Iter<'a, u8>,
    functions: ck::CK_FUNCTION_LIST,
    /// The last session, or 0.
    session: ck::CK_SESSION_HANDLE,
    /// The last object that was found, or 0.
    object: ck::CK_OBJECT_HANDLE,
}

impl Program<'_> {
    fn byte(&mut self) -> u8 {
        self.input.next().copied().unwrap_or(0)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte());
        (0..length).map(|_| self.byte()).collect()
    }

    /// Mostly the handle that a program would pass, sometimes any other.
    fn handle(&mut self, usual: ck::CK_ULONG) -> ck::CK_ULONG {
        match self.byte() {
            255 => ck::CK_ULONG::MAX,
            254 => 0,
            other @ 200..=253 => other.into(),
            _ => usual,
        }
    }

    fn initialize(&mut self) {
        call!(self.C_Initialize(ptr::null_mut()));
    }

    fn finalize(&mut self) {
        call!(self.C_Finalize(ptr::null_mut()));
    }

    fn slot(&mut self) -> ck::CK_SLOT_ID {
        let mut slots = [0; 4];
        let mut count = 4;
        call!(self.C_GetSlotList(ck::CK_FALSE, slots.as_mut_ptr(), &raw mut count));
        let first = slots[0];
        self.handle(first)
    }

    fn call(&mut self, number: u8) {
        match number % 18 {
            0 => self.open(),
            1 => {
                let session = self.handle(self.session);
                call!(self.C_CloseSession(session));
            }
            2 => self.find_init(),
            3 => self.find(),
            4 => {
                call!(self.C_FindObjectsFinal(self.session));
            }
            5 => self.read_attributes(),
            6 => self.sign_init(),
            7 => self.sign(),
            8 => {
                let mut part = self.bytes();
                let length = part.len() as ck::CK_ULONG;
                call!(self.C_SignUpdate(self.session, part.as_mut_ptr(), length));
            }
            9 => self.sign_final(),
            10 => {
                let user = ck::CK_ULONG::from(self.byte() % 4);
                call!(self.C_Login(self.session, user, ptr::null_mut(), 0));
            }
            11 => {
                call!(self.C_Logout(self.session));
            }
            12 => self.session_info(),
            13 => self.token(),
            14 => self.mechanisms(),
            15 => {
                let mut size = 0;
                let object = self.handle(self.object);
                call!(self.C_GetObjectSize(self.session, object, &raw mut size));
            }
            16 => {
                self.finalize();
                self.initialize();
                self.session = 0;
            }
            _ => self.without_room(),
        }
    }

    fn open(&mut self) {
        let slot = self.slot();
        let flags = ck::CK_FLAGS::from(self.byte());
        let mut session = 0;
        let value = call!(self.C_OpenSession(
            slot,
            flags | ck::CKF_SERIAL_SESSION,
            ptr::null_mut(),
            None,
            &raw mut session,
        ));
        if value == ck::CKR_OK {
            self.session = session;
        }
    }

    fn template(&mut self) -> Vec<(ck::CK_ATTRIBUTE_TYPE, Vec<u8>)> {
        let count = self.byte() % 6;
        (0..count)
            .map(|_| {
                let kind = self.byte();
                let kind = match kind % 8 {
                    0 => ck::CKA_CLASS,
                    1 => ck::CKA_LABEL,
                    2 => ck::CKA_ID,
                    3 => ck::CKA_KEY_TYPE,
                    4 => ck::CKA_EC_POINT,
                    5 => ck::CKA_MODULUS,
                    6 => ck::CKA_SIGN,
                    _ => ck::CK_ULONG::from(kind),
                };
                (kind, self.bytes())
            })
            .collect()
    }

    fn find_init(&mut self) {
        let mut values = self.template();
        let mut template: Vec<_> = values
            .iter_mut()
            .map(|(kind, value)| attribute(*kind, value))
            .collect();
        let count = template.len() as ck::CK_ULONG;
        call!(self.C_FindObjectsInit(self.session, template.as_mut_ptr(), count));
    }

    fn find(&mut self) {
        let mut found = [0; 8];
        let most = ck::CK_ULONG::from(self.byte() % 9);
        let mut count = 0;
        let value =
            call!(self.C_FindObjects(self.session, found.as_mut_ptr(), most, &raw mut count));
        if value == ck::CKR_OK {
            assert!(count <= most, "more objects than there is room for");
            if count > 0 {
                self.object = found[0];
            }
        }
    }

    fn read_attributes(&mut self) {
        let object = self.handle(self.object);
        let mut values = self.template();
        let mut template: Vec<_> = values
            .iter_mut()
            .map(|(kind, value)| attribute(*kind, value))
            .collect();
        let count = template.len() as ck::CK_ULONG;
        let given: Vec<_> = template
            .iter()
            .map(|attribute| attribute.ulValueLen)
            .collect();
        call!(self.C_GetAttributeValue(self.session, object, template.as_mut_ptr(), count));
        for (attribute, given) in template.iter().zip(given) {
            let length = attribute.ulValueLen;
            // Without a place, the length is what the program wants to know.
            let has_place = !attribute.pValue.is_null();
            assert!(
                !has_place || length <= given || length == ck::CK_UNAVAILABLE_INFORMATION,
                "an attribute was written beyond its room"
            );
        }
    }

    fn sign_init(&mut self) {
        let mechanism = match self.byte() % 8 {
            0 => ck::CKM_ECDSA,
            1 => ck::CKM_ECDSA_SHA256,
            2 => ck::CKM_ECDSA_SHA512,
            3 => ck::CKM_RSA_PKCS,
            4 => ck::CKM_RSA_PKCS_PSS,
            5 => ck::CKM_SHA256_RSA_PKCS_PSS,
            6 => ck::CKM_RSA_X_509,
            _ => ck::CK_ULONG::from(self.byte()),
        };
        let mut parameter = self.bytes();
        let mut mechanism = ck::CK_MECHANISM {
            mechanism,
            pParameter: match parameter.len() {
                0 => ptr::null_mut(),
                _ => parameter.as_mut_ptr().cast(),
            },
            ulParameterLen: parameter.len() as ck::CK_ULONG,
        };
        let key = self.handle(self.object);
        call!(self.C_SignInit(self.session, &raw mut mechanism, key));
    }

    fn sign(&mut self) {
        let mut input = self.bytes();
        let mut room = Room::new(self.byte());
        let length = input.len() as ck::CK_ULONG;
        let value = call!(self.C_Sign(
            self.session,
            input.as_mut_ptr(),
            length,
            room.place(),
            &raw mut room.length,
        ));
        room.check(value);
    }

    fn sign_final(&mut self) {
        let mut room = Room::new(self.byte());
        let value = call!(self.C_SignFinal(self.session, room.place(), &raw mut room.length));
        room.check(value);
    }

    fn session_info(&mut self) {
        // SAFETY: a structure of numbers, for which zeros are values.
        let mut info = unsafe { std::mem::zeroed() };
        let session = self.handle(self.session);
        call!(self.C_GetSessionInfo(session, &raw mut info));
    }

    fn token(&mut self) {
        let slot = self.slot();
        // SAFETY: structures of numbers and texts, for which zeros are values.
        let (mut slot_info, mut info) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        call!(self.C_GetSlotInfo(slot, &raw mut slot_info));
        call!(self.C_GetTokenInfo(slot, &raw mut info));
    }

    fn mechanisms(&mut self) {
        let slot = self.slot();
        let mut list = [0; 32];
        let most = ck::CK_ULONG::from(self.byte() % 33);
        let mut count = most;
        let value = call!(self.C_GetMechanismList(slot, list.as_mut_ptr(), &raw mut count));
        assert!(
            value != ck::CKR_OK || count <= most,
            "more than there is room for"
        );
        let kind = ck::CK_ULONG::from(self.byte());
        // SAFETY: a structure of numbers, for which zeros are values.
        let mut info = unsafe { std::mem::zeroed() };
        call!(self.C_GetMechanismInfo(slot, kind, &raw mut info));
    }

    /// Null pointers where a place is expected.
    fn without_room(&mut self) {
        let length = ck::CK_ULONG::from(self.byte());
        let session = self.session;
        call!(self.C_GetSessionInfo(session, ptr::null_mut()));
        call!(self.C_FindObjectsInit(session, ptr::null_mut(), length));
        call!(self.C_FindObjects(session, ptr::null_mut(), length, ptr::null_mut()));
        call!(self.C_SignInit(session, ptr::null_mut(), self.object));
        call!(self.C_Sign(
            session,
            ptr::null_mut(),
            length,
            ptr::null_mut(),
            ptr::null_mut()
        ));
        call!(self.C_SignUpdate(session, ptr::null_mut(), length));
        call!(self.C_GetAttributeValue(session, self.object, ptr::null_mut(), length));
        call!(self.C_OpenSession(length, length, ptr::null_mut(), None, ptr::null_mut()));
        call!(self.C_GetSlotList(ck::CK_TRUE, ptr::null_mut(), ptr::null_mut()));
        call!(self.C_GetInfo(ptr::null_mut()));
        call!(self.C_Initialize(ptr::null_mut()));
    }
}

fn attribute(kind: ck::CK_ATTRIBUTE_TYPE, value: &mut [u8]) -> ck::CK_ATTRIBUTE {
    ck::CK_ATTRIBUTE {
        type_: kind,
        pValue: match value.len() {
            0 => ptr::null_mut(),
            _ => value.as_mut_ptr().cast(),
        },
        ulValueLen: value.len() as ck::CK_ULONG,
    }
}

/// Room for a signature, with a margin behind it that must stay as it is.
struct Room {
    buffer: [u8; ROOM],
    given: ck::CK_ULONG,
    length: ck::CK_ULONG,
}

impl Room {
    const MARGIN: u8 = 0xE7;

    fn new(length: u8) -> Self {
        Self {
            buffer: [Self::MARGIN; ROOM],
            given: length.into(),
            length: length.into(),
        }
    }

    fn place(&mut self) -> *mut u8 {
        // A program may also ask for the length alone.
        if self.given == 0 {
            ptr::null_mut()
        } else {
            self.buffer.as_mut_ptr()
        }
    }

    fn check(&self, value: ck::CK_RV) {
        let margin = self.buffer.iter().skip(self.given as usize);
        assert!(
            margin.copied().all(|byte| byte == Self::MARGIN),
            "written beyond the room"
        );
        if value == ck::CKR_OK && self.given > 0 {
            assert!(
                self.length <= self.given,
                "a signature that is longer than its room"
            );
        }
    }
}
