//! The C interface (PKCS#11 v2.40 and v3.0). Pointers are converted to slices only here.
#![expect(unsafe_code, reason = "the C interface takes and gives pointers")]

mod general;
mod list;
mod object;
mod pointer;
mod session;
mod sign;
mod unsupported;

pub use list::{C_GetFunctionList, C_GetInterface, C_GetInterfaceList};

use std::panic::{AssertUnwindSafe, catch_unwind};

use cryptoki_sys::{CK_RV, CKR_GENERAL_ERROR, CKR_OK};

use crate::rv::{Result, Rv};

/// Runs the body of a function, converts its result to a return value, and stops panics.
fn guard(body: impl FnOnce() -> Result<()>) -> CK_RV {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CKR_OK,
        Ok(Err(Rv(value))) => value,
        Err(_) => CKR_GENERAL_ERROR,
    }
}
