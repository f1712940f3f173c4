//! Functions that a module for signing does not support.

use cryptoki_sys as ck;
use cryptoki_sys::{CK_RV, CK_SESSION_HANDLE, CK_ULONG};

use super::guard;
use crate::{module::Module, rv::Rv};

fn fail(value: CK_RV) -> CK_RV {
    guard(|| {
        Module::get()?;
        Err(Rv(value))
    })
}

/// The token offers no random numbers.
pub unsafe extern "C" fn no_random(_: CK_SESSION_HANDLE, _: *mut u8, _: CK_ULONG) -> CK_RV {
    fail(ck::CKR_RANDOM_NO_RNG)
}

/// These functions exist only for compatibility with version 1.
pub unsafe extern "C" fn not_parallel(_: CK_SESSION_HANDLE) -> CK_RV {
    fail(ck::CKR_FUNCTION_NOT_PARALLEL)
}

/// Defines functions with the given number of arguments, which are ignored.
macro_rules! unsupported {
    ($($name:ident($($argument:ident),*);)*) => {
        $(pub unsafe extern "C" fn $name<$($argument),*>($(_: $argument),*) -> CK_RV {
            fail(ck::CKR_FUNCTION_NOT_SUPPORTED)
        })*
    };
}

unsupported! {
    with_1(A);
    with_2(A, B);
    with_3(A, B, C);
    with_4(A, B, C, D);
    with_5(A, B, C, D, E);
    with_6(A, B, C, D, E, F);
    with_7(A, B, C, D, E, F, G);
    with_8(A, B, C, D, E, F, G, H);
    with_9(A, B, C, D, E, F, G, H, I);
}
