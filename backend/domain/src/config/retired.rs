//! Settings of earlier versions, which are errors that say what to do instead.

use super::ConfigError;

/// Rejects files with SO-PINs. Whoever could read such a file could erase the HSM at any time.
///
/// # Errors
/// The configuration file names one.
pub fn check_retired(text: &str) -> Result<(), ConfigError> {
    // A file that is no TOML is rejected elsewhere, with a better reason.
    let file: toml::Table = text.parse().unwrap_or_default();
    let sections = file.get("hsm").and_then(toml::Value::as_array);
    let mut hsms = sections.into_iter().flatten();
    if file.contains_key("so_pin_dir") {
        Err(ConfigError::SoPinFile("so_pin_dir"))
    } else if hsms.any(|hsm| hsm.get("so_pin_file").is_some()) {
        Err(ConfigError::SoPinFile("so_pin_file"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_so_pins_are_errors_that_name_the_command() {
        for text in [
            "so_pin_dir = \"/run/so-pins\"",
            "[[hsm]]\nid = \"release\"\nreader = \"Reader\"\nso_pin_file = \"/run/so-pin\"",
        ] {
            let error = check_retired(text).expect_err("an error").to_string();
            assert!(error.contains("countersign-server so-pin"), "{error}");
        }
        assert!(check_retired("name = \"Example\"\n[[hsm]]\nid = \"release\"").is_ok());
    }
}
