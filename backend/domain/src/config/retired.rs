//! Settings of earlier versions, which are errors that say what to do instead.

use serde::{Deserialize, Deserializer, de::Error};

/// A file or directory with SO-PINs. Whoever could read it could erase the HSM at any time.
#[derive(Clone, Debug, Default)]
pub(super) struct SoPinFile;

impl<'de> Deserialize<'de> for SoPinFile {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "the server no longer reads SO-PINs from files: remove this setting and the file, and run `countersign-server so-pin HSM` \
             when an HSM is to be initialised",
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::ConfigFile;

    #[test]
    fn files_with_so_pins_are_errors_that_name_the_command() {
        for text in [
            "so_pin_dir = \"/run/so-pins\"",
            "[[hsm]]\nid = \"release\"\nreader = \"Reader\"\nso_pin_file = \"/run/so-pin\"",
        ] {
            let error = toml::from_str::<ConfigFile>(text).expect_err("an error");
            assert!(error.to_string().contains("countersign-server so-pin"));
        }
    }
}
