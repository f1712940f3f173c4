//! `countersign pkcs11`.

mod doctor;
mod env;
mod module;

use crate::{
    args::{Global, Pkcs11},
    error::CliError,
    output::Output,
};

pub fn run(command: &Pkcs11, global: &Global, output: Output) -> Result<(), CliError> {
    match command {
        Pkcs11::Module => {
            let file = module::required()?.display().to_string();
            output.result(&serde_json::json!({ "module": file }), || file.clone());
            Ok(())
        }
        Pkcs11::Env => env::run(global, output),
        Pkcs11::Doctor => doctor::run(global, output),
    }
}
