//! The function lists and the functions that return them.

use cryptoki_sys as ck;
use cryptoki_sys::{
    CK_FLAGS, CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_0, CK_INTERFACE, CK_RV, CK_ULONG, CK_VERSION,
};

use super::{
    general, guard, object,
    pointer::{read, write, write_all},
    session, sign, unsupported,
};
use crate::rv::Rv;

/// Builds a function list of the given type and version. The last arguments are the functions that v3.0 adds.
macro_rules! list {
    ($list:ident, $version:expr $(, $name:ident: $function:expr)*) => {
        $list {
            version: $version,
            C_Initialize: Some(general::initialize),
            C_Finalize: Some(general::finalize),
            C_GetInfo: Some(general::get_info),
            C_GetFunctionList: Some(C_GetFunctionList),
            C_GetSlotList: Some(general::get_slot_list),
            C_GetSlotInfo: Some(general::get_slot_info),
            C_GetTokenInfo: Some(general::get_token_info),
            C_GetMechanismList: Some(general::get_mechanism_list),
            C_GetMechanismInfo: Some(general::get_mechanism_info),
            C_InitToken: Some(unsupported::with_4),
            C_InitPIN: Some(unsupported::with_3),
            C_SetPIN: Some(unsupported::with_5),
            C_OpenSession: Some(session::open_session),
            C_CloseSession: Some(session::close_session),
            C_CloseAllSessions: Some(session::close_all_sessions),
            C_GetSessionInfo: Some(session::get_session_info),
            C_GetOperationState: Some(unsupported::with_3),
            C_SetOperationState: Some(unsupported::with_5),
            C_Login: Some(session::login),
            C_Logout: Some(session::logout),
            C_CreateObject: Some(unsupported::with_4),
            C_CopyObject: Some(unsupported::with_5),
            C_DestroyObject: Some(unsupported::with_2),
            C_GetObjectSize: Some(object::get_object_size),
            C_GetAttributeValue: Some(object::get_attribute_value),
            C_SetAttributeValue: Some(unsupported::with_4),
            C_FindObjectsInit: Some(object::find_objects_init),
            C_FindObjects: Some(object::find_objects),
            C_FindObjectsFinal: Some(object::find_objects_final),
            C_EncryptInit: Some(unsupported::with_3),
            C_Encrypt: Some(unsupported::with_5),
            C_EncryptUpdate: Some(unsupported::with_5),
            C_EncryptFinal: Some(unsupported::with_3),
            C_DecryptInit: Some(unsupported::with_3),
            C_Decrypt: Some(unsupported::with_5),
            C_DecryptUpdate: Some(unsupported::with_5),
            C_DecryptFinal: Some(unsupported::with_3),
            C_DigestInit: Some(unsupported::with_2),
            C_Digest: Some(unsupported::with_5),
            C_DigestUpdate: Some(unsupported::with_3),
            C_DigestKey: Some(unsupported::with_2),
            C_DigestFinal: Some(unsupported::with_3),
            C_SignInit: Some(sign::sign_init),
            C_Sign: Some(sign::sign),
            C_SignUpdate: Some(sign::sign_update),
            C_SignFinal: Some(sign::sign_final),
            C_SignRecoverInit: Some(unsupported::with_3),
            C_SignRecover: Some(unsupported::with_5),
            C_VerifyInit: Some(unsupported::with_3),
            C_Verify: Some(unsupported::with_5),
            C_VerifyUpdate: Some(unsupported::with_3),
            C_VerifyFinal: Some(unsupported::with_3),
            C_VerifyRecoverInit: Some(unsupported::with_3),
            C_VerifyRecover: Some(unsupported::with_5),
            C_DigestEncryptUpdate: Some(unsupported::with_5),
            C_DecryptDigestUpdate: Some(unsupported::with_5),
            C_SignEncryptUpdate: Some(unsupported::with_5),
            C_DecryptVerifyUpdate: Some(unsupported::with_5),
            C_GenerateKey: Some(unsupported::with_5),
            C_GenerateKeyPair: Some(unsupported::with_8),
            C_WrapKey: Some(unsupported::with_6),
            C_UnwrapKey: Some(unsupported::with_8),
            C_DeriveKey: Some(unsupported::with_6),
            C_SeedRandom: Some(unsupported::no_random),
            C_GenerateRandom: Some(unsupported::no_random),
            C_GetFunctionStatus: Some(unsupported::not_parallel),
            C_CancelFunction: Some(unsupported::not_parallel),
            C_WaitForSlotEvent: Some(general::wait_for_slot_event),
            $($name: $function,)*
        }
    };
}

const V2_40: CK_VERSION = CK_VERSION {
    major: 2,
    minor: 40,
};
const V3_0: CK_VERSION = CK_VERSION { major: 3, minor: 0 };

static FUNCTIONS: CK_FUNCTION_LIST = list!(CK_FUNCTION_LIST, V2_40);

static FUNCTIONS_3_0: CK_FUNCTION_LIST_3_0 = list!(
    CK_FUNCTION_LIST_3_0,
    V3_0,
    C_GetInterfaceList: Some(C_GetInterfaceList),
    C_GetInterface: Some(C_GetInterface),
    C_LoginUser: Some(session::login_user),
    C_SessionCancel: Some(session::session_cancel),
    C_MessageEncryptInit: Some(unsupported::with_3),
    C_EncryptMessage: Some(unsupported::with_9),
    C_EncryptMessageBegin: Some(unsupported::with_5),
    C_EncryptMessageNext: Some(unsupported::with_8),
    C_MessageEncryptFinal: Some(unsupported::with_1),
    C_MessageDecryptInit: Some(unsupported::with_3),
    C_DecryptMessage: Some(unsupported::with_9),
    C_DecryptMessageBegin: Some(unsupported::with_5),
    C_DecryptMessageNext: Some(unsupported::with_8),
    C_MessageDecryptFinal: Some(unsupported::with_1),
    C_MessageSignInit: Some(unsupported::with_3),
    C_SignMessage: Some(unsupported::with_7),
    C_SignMessageBegin: Some(unsupported::with_3),
    C_SignMessageNext: Some(unsupported::with_7),
    C_MessageSignFinal: Some(unsupported::with_1),
    C_MessageVerifyInit: Some(unsupported::with_3),
    C_VerifyMessage: Some(unsupported::with_7),
    C_VerifyMessageBegin: Some(unsupported::with_3),
    C_VerifyMessageNext: Some(unsupported::with_7),
    C_MessageVerifyFinal: Some(unsupported::with_1)
);

/// The result of `C_GetInterfaceList`, which is never written to.
struct Interfaces([CK_INTERFACE; 2]);

// SAFETY: the pointers are to statics that are never written to.
unsafe impl Sync for Interfaces {}

const NAME: &[u8] = b"PKCS 11\0";

/// The newest interface is first, because it is the one that `C_GetInterface` returns by default.
static INTERFACES: Interfaces = Interfaces([
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut(),
        pFunctionList: (&raw const FUNCTIONS_3_0).cast_mut().cast(),
        flags: ck::CKF_INTERFACE_FORK_SAFE,
    },
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut(),
        pFunctionList: (&raw const FUNCTIONS).cast_mut().cast(),
        flags: ck::CKF_INTERFACE_FORK_SAFE,
    },
]);

/// Returns the function list of v2.40.
///
/// # Safety
/// `place` is null or valid for writing a pointer. The caller must not write to the returned list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(place: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    // SAFETY: guaranteed by the caller.
    guard(|| unsafe { write(place, (&raw const FUNCTIONS).cast_mut()) })
}

/// Returns both function lists.
///
/// # Safety
/// `count` is null or valid for reading and writing. `interfaces` is null or has room for `count` entries.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterfaceList(
    interfaces: *mut CK_INTERFACE,
    count: *mut CK_ULONG,
) -> CK_RV {
    // SAFETY: guaranteed by the caller.
    guard(|| unsafe { write_all(interfaces, count, &INTERFACES.0) })
}

/// Returns the function list with this name, version and flags, each of which is optional.
///
/// # Safety
/// `name` is null or a C string, `version` is null or valid for reading, and `place` is null or valid for writing. The
/// caller must not write to the returned interface.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterface(
    name: *mut u8,
    version: *mut CK_VERSION,
    place: *mut *mut CK_INTERFACE,
    flags: CK_FLAGS,
) -> CK_RV {
    guard(|| {
        // SAFETY: guaranteed by the caller.
        let is_our_name =
            name.is_null() || unsafe { std::ffi::CStr::from_ptr(name.cast()) } == c"PKCS 11";
        let requested = if version.is_null() {
            None
        } else {
            // SAFETY: guaranteed by the caller.
            Some(unsafe { read(version.cast_const())? })
        };
        let versions = [V3_0, V2_40];
        let found = INTERFACES
            .0
            .iter()
            .zip(versions)
            .find(|(interface, version)| {
                is_our_name
                    && flags & !interface.flags == 0
                    && requested.is_none_or(|requested| {
                        (requested.major, requested.minor) == (version.major, version.minor)
                    })
            });
        let (interface, _) = found.ok_or(Rv(ck::CKR_FUNCTION_FAILED))?;
        // SAFETY: guaranteed by the caller.
        unsafe { write(place, (&raw const *interface).cast_mut()) }
    })
}
