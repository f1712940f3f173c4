//! General functions, and those for slots, tokens and mechanisms.

use countersign_protocol::hsm::DeviceView;
use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_BBOOL, CK_C_INITIALIZE_ARGS, CK_FLAGS, CK_INFO, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_RV,
    CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_ULONG, CK_VERSION, CK_VOID_PTR,
};

use super::{
    guard,
    pointer::{length, padded, read, write, write_all},
};
use crate::{
    mechanism,
    module::{self, Module},
    rv::Rv,
};

const MANUFACTURER: &str = "Countersign";

pub unsafe extern "C" fn initialize(arguments: CK_VOID_PTR) -> CK_RV {
    guard(|| {
        if !arguments.is_null() {
            // SAFETY: PKCS#11 v2.40, section 5.4: null, or a pointer to these arguments.
            let arguments = unsafe { read(arguments.cast::<CK_C_INITIALIZE_ARGS>())? };
            let callbacks = [
                arguments.CreateMutex.is_some(),
                arguments.DestroyMutex.is_some(),
                arguments.LockMutex.is_some(),
                arguments.UnlockMutex.is_some(),
            ];
            // The callbacks are not used, because the system's locks work for every application. An incomplete set is
            // an error.
            let is_incomplete = callbacks.contains(&true) && callbacks.contains(&false);
            if is_incomplete || !arguments.pReserved.is_null() {
                return Err(Rv(ck::CKR_ARGUMENTS_BAD));
            }
        }
        Module::initialize()
    })
}

pub unsafe extern "C" fn finalize(reserved: CK_VOID_PTR) -> CK_RV {
    guard(|| {
        Module::get()?;
        if !reserved.is_null() {
            return Err(Rv(ck::CKR_ARGUMENTS_BAD));
        }
        Module::finalize()
    })
}

pub unsafe extern "C" fn get_info(place: *mut CK_INFO) -> CK_RV {
    guard(|| {
        Module::get()?;
        let info = CK_INFO {
            cryptokiVersion: CK_VERSION {
                major: 2,
                minor: 40,
            },
            manufacturerID: padded(MANUFACTURER),
            flags: 0,
            libraryDescription: padded("Signing after quorum approval"),
            libraryVersion: own_version(),
        };
        // SAFETY: the application's pointer to a CK_INFO.
        unsafe { write(place, info) }
    })
}

fn own_version() -> CK_VERSION {
    version(env!("CARGO_PKG_VERSION"))
}

fn version(text: &str) -> CK_VERSION {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    CK_VERSION {
        major: numbers.next().unwrap_or(0),
        minor: numbers.next().unwrap_or(0),
    }
}

pub unsafe extern "C" fn get_slot_list(
    token_present: CK_BBOOL,
    slots: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let all = Module::get()?.slots();
        let ids: Vec<CK_SLOT_ID> = all
            .iter()
            .filter(|slot| token_present == 0 || slot.token.is_some())
            .map(|slot| slot.id)
            .collect();
        // SAFETY: the application's buffer with its length.
        unsafe { write_all(slots, count, &ids) }
    })
}

pub unsafe extern "C" fn get_slot_info(slot: CK_SLOT_ID, place: *mut CK_SLOT_INFO) -> CK_RV {
    guard(|| {
        let slot = Module::get()?.slot(slot)?;
        let present: CK_FLAGS = if slot.token.is_some() {
            ck::CKF_TOKEN_PRESENT
        } else {
            0
        };
        let info = CK_SLOT_INFO {
            slotDescription: padded(&format!("Signing HSM {}", slot.hsm)),
            manufacturerID: padded(MANUFACTURER),
            flags: present | ck::CKF_HW_SLOT | ck::CKF_REMOVABLE_DEVICE,
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: own_version(),
        };
        // SAFETY: the application's pointer to a CK_SLOT_INFO.
        unsafe { write(place, info) }
    })
}

pub unsafe extern "C" fn get_token_info(id: CK_SLOT_ID, place: *mut CK_TOKEN_INFO) -> CK_RV {
    guard(|| {
        let module = Module::get()?;
        let slot = module.slot(id)?;
        let DeviceView {
            id: device,
            manufacturer,
            anchor,
            version: firmware,
            ..
        } = &module::token(&slot)?.device;
        let (sessions, read_write) = module.sessions.count(id);
        let login: CK_FLAGS = if module.waits_in_login() {
            ck::CKF_LOGIN_REQUIRED
        } else {
            0
        };
        let unknown = ck::CK_ULONG::MAX;
        let info = CK_TOKEN_INFO {
            // The HSM's name is the label, because labels of devices may be equal and programs fail then.
            label: padded(slot.hsm.as_str()),
            // Some devices report no manufacturer. The root that certifies the device is always known.
            manufacturerID: padded(manufacturer.as_deref().unwrap_or(anchor)),
            model: padded("SmartCard-HSM"),
            serialNumber: padded(device.serial()),
            flags: login
                // Without this flag, programs that log in would prompt for a PIN.
                | ck::CKF_PROTECTED_AUTHENTICATION_PATH
                | ck::CKF_TOKEN_INITIALIZED
                | ck::CKF_USER_PIN_INITIALIZED
                | ck::CKF_WRITE_PROTECTED,
            ulMaxSessionCount: ck::CK_EFFECTIVELY_INFINITE,
            ulSessionCount: length(sessions),
            ulMaxRwSessionCount: ck::CK_EFFECTIVELY_INFINITE,
            ulRwSessionCount: length(read_write),
            // Any PIN that a program insists on is accepted and ignored.
            ulMaxPinLen: 255,
            ulMinPinLen: 0,
            ulTotalPublicMemory: unknown,
            ulFreePublicMemory: unknown,
            ulTotalPrivateMemory: unknown,
            ulFreePrivateMemory: unknown,
            hardwareVersion: CK_VERSION { major: 0, minor: 0 },
            firmwareVersion: version(firmware.as_deref().unwrap_or_default()),
            utcTime: [b' '; 16],
        };
        // SAFETY: the application's pointer to a CK_TOKEN_INFO.
        unsafe { write(place, info) }
    })
}

pub unsafe extern "C" fn get_mechanism_list(
    slot: CK_SLOT_ID,
    mechanisms: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    guard(|| {
        let slot = Module::get()?.slot(slot)?;
        let offered = mechanism::of_token(module::token(&slot)?.keys.iter());
        let types: Vec<_> = offered.iter().map(|offered| offered.mechanism).collect();
        // SAFETY: the application's buffer with its length.
        unsafe { write_all(mechanisms, count, &types) }
    })
}

pub unsafe extern "C" fn get_mechanism_info(
    slot: CK_SLOT_ID,
    mechanism: CK_MECHANISM_TYPE,
    place: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    guard(|| {
        let slot = Module::get()?.slot(slot)?;
        let offered = mechanism::of_token(module::token(&slot)?.keys.iter())
            .into_iter()
            .find(|offered| offered.mechanism == mechanism)
            .ok_or(Rv(ck::CKR_MECHANISM_INVALID))?;
        let info = CK_MECHANISM_INFO {
            ulMinKeySize: offered.sizes.0,
            ulMaxKeySize: offered.sizes.1,
            flags: offered.flags,
        };
        // SAFETY: the application's pointer to a CK_MECHANISM_INFO.
        unsafe { write(place, info) }
    })
}

pub unsafe extern "C" fn wait_for_slot_event(
    flags: CK_FLAGS,
    _slot: *mut CK_SLOT_ID,
    _reserved: CK_VOID_PTR,
) -> CK_RV {
    guard(|| {
        Module::get()?;
        Err(Rv(if flags & ck::CKF_DONT_BLOCK == 0 {
            ck::CKR_FUNCTION_NOT_SUPPORTED
        } else {
            ck::CKR_NO_EVENT
        }))
    })
}
