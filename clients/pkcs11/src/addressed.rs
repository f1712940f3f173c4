//! Whether the user wants this program to use the module. If the module is registered for the whole system, p11-kit
//! loads it into programs that have nothing to do with it, such as curl.

use crate::{record::arguments, system};

/// The beginning of the URIs that name objects of PKCS#11 modules (RFC 7512).
const URI: &str = "pkcs11:";
/// Part of the module's file name.
const MODULE: &str = "countersign_pkcs11";
/// Variables that name a module for OpenSSL's engine and provider.
const MODULE_VARIABLES: [&str; 2] = ["PKCS11_MODULE_PATH", "PKCS11_PROVIDER_MODULE"];

/// Whether the program was told to use PKCS#11 objects or this module. Without p11-kit, the program has loaded the module
/// itself.
pub fn is_addressed() -> bool {
    if !system::is_p11_kit_loaded() {
        return true;
    }
    let in_arguments = arguments()
        .iter()
        .any(|argument| argument.contains(URI) || argument.contains(MODULE));
    in_arguments
        || MODULE_VARIABLES.iter().any(|variable| {
            std::env::var_os(variable).is_some_and(|value| value.to_string_lossy().contains(MODULE))
        })
}
