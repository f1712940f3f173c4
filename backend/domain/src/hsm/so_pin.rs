//! The SO-PIN, which a person enters on the server's machine, so that it never reaches a browser: on the server's terminal, or
//! beforehand with a command that deposits it for one use.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use countersign_card::SoPin;
use countersign_protocol::id::HsmId;
use zeroize::Zeroizing;

use super::HsmError;

/// How long a deposited SO-PIN can be used.
pub const LIFE: Duration = Duration::from_secs(15 * 60);
/// The directory of deposited SO-PINs, below the data directory.
const FOLDER: &str = "so-pin";
/// Longest file that is read, in bytes. A longer one has no SO-PIN, and its end is not read.
const LONGEST: usize = 256;

/// Allows one prompt at a time on the server's terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Takes the deposited SO-PIN, which is then gone, or asks for it on the server's terminal.
///
/// # Errors
/// None is deposited and the server has no terminal, or the text is not an SO-PIN.
pub async fn obtain(data_dir: &Path, hsm: &HsmId) -> Result<SoPin, HsmError> {
    let file = file(data_dir, hsm);
    let id = hsm.clone();
    tokio::task::spawn_blocking(move || match take(&file) {
        Ok(Some(text)) => parse(&text),
        Ok(None) if io::stdin().is_terminal() => ask(&id),
        Ok(None) => Err(HsmError::SoPin(format!(
            "the server needs the SO-PIN of HSM {id}: run `countersign-server so-pin {id}` on the server's machine, then sign again \
             within {} minutes",
            LIFE.as_secs() / 60
        ))),
        Err(error) => Err(HsmError::SoPin(format!(
            "the server cannot read the deposited SO-PIN {}: {error}",
            file.display()
        ))),
    })
    .await
    .map_err(|error| HsmError::SoPin(error.to_string()))?
}

/// Deposits an SO-PIN for one use within [`LIFE`], in place of an earlier one.
///
/// # Errors
/// The text is not an SO-PIN, or the file cannot be written.
pub fn deposit(data_dir: &Path, hsm: &HsmId, text: &str) -> Result<(), HsmError> {
    parse(text)?;
    let file = file(data_dir, hsm);
    write(data_dir, &file, text).map_err(|error| {
        HsmError::SoPin(format!(
            "the SO-PIN cannot be deposited in {}: {error}",
            file.display()
        ))
    })
}

/// Deletes the deposited SO-PINs that were not used in time.
pub fn forget_expired(data_dir: &Path) {
    let Ok(entries) = fs::read_dir(data_dir.join(FOLDER)) else {
        return;
    };
    for entry in entries.flatten() {
        let is_expired = entry.metadata().is_ok_and(|file| is_expired(&file));
        if is_expired && let Err(error) = fs::remove_file(entry.path()) {
            let file = entry.path();
            tracing::warn!(file = %file.display(), %error, "an expired SO-PIN could not be deleted");
        }
    }
}

fn file(data_dir: &Path, hsm: &HsmId) -> PathBuf {
    data_dir.join(FOLDER).join(hsm.as_str())
}

fn is_expired(file: &fs::Metadata) -> bool {
    let age = file.modified().map(|written| written.elapsed());
    // A file from the future was written before the clock was set back.
    !matches!(age, Ok(Ok(age)) if age < LIFE)
}

/// Reads a deposited SO-PIN and deletes it. It is renamed first, so that nobody else can take it as well.
fn take(file: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let mine = file.with_extension(uuid::Uuid::now_v7().to_string());
    match fs::rename(file, &mine) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let read = fs::metadata(&mine).and_then(|metadata| {
        if is_expired(&metadata) {
            return Ok(None);
        }
        // The memory is more than enough, so the text is never copied to a larger allocation.
        let mut text = Zeroizing::new(String::with_capacity(2 * LONGEST));
        let longest = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        fs::File::open(&mine)?
            .take(longest)
            .read_to_string(&mut text)?;
        Ok(Some(text))
    });
    fs::remove_file(&mine)?;
    read
}

fn write(data_dir: &Path, file: &Path, text: &str) -> io::Result<()> {
    let folder = data_dir.join(FOLDER);
    let owner = fs::metadata(data_dir)?;
    let mut builder = DirBuilder::new();
    match builder.mode(0o700).create(&folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let new = file.with_extension(uuid::Uuid::now_v7().to_string());
    let mut options = OpenOptions::new();
    let mut out = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    // The command may be run by root, but the server has to read the file.
    if out.metadata()?.uid() != owner.uid() {
        fchown(&out, Some(owner.uid()), Some(owner.gid()))?;
        fchown(
            fs::File::open(&folder)?,
            Some(owner.uid()),
            Some(owner.gid()),
        )?;
    }
    out.write_all(text.trim().as_bytes())?;
    out.sync_all()?;
    fs::rename(new, file)
}

fn ask(hsm: &HsmId) -> Result<SoPin, HsmError> {
    let _guard = TERMINAL.lock().map_err(|_| {
        HsmError::SoPin("the prompt for an earlier SO-PIN failed: restart the server".into())
    })?;
    let prompt =
        format!("SO-PIN of HSM {hsm}, which will be ERASED and initialised (16 hex digits): ");
    let text = rpassword::prompt_password(prompt).map_err(|why| {
        HsmError::SoPin(format!(
            "the server could not read the SO-PIN from its terminal: {why}"
        ))
    })?;
    parse(&Zeroizing::new(text))
}

fn parse(text: &str) -> Result<SoPin, HsmError> {
    SoPin::from_hex(text).map_err(|error| HsmError::SoPin(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::SystemTime};

    use super::*;

    const PIN: &str = "3537363231383830";

    #[tokio::test]
    async fn a_deposited_so_pin_is_readable_for_the_server_alone_and_works_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let hsm = HsmId::new("release");
        deposit(folder.path(), &hsm, &format!("{PIN}\n")).expect("deposited");
        let file = file(folder.path(), &hsm);
        let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().expect("a folder")), 0o700);
        assert!(take(&file).expect("readable").is_some());
        assert!(take(&file).expect("readable").is_none());
        let left = fs::read_dir(folder.path().join(FOLDER)).expect("a folder");
        assert_eq!(left.count(), 0);
        assert!(deposit(folder.path(), &hsm, "1234").is_err());
    }

    #[tokio::test]
    async fn an_so_pin_that_is_not_used_in_time_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        for hsm in ["taken", "swept"] {
            let hsm = HsmId::new(hsm);
            deposit(folder.path(), &hsm, PIN).expect("deposited");
            let old = SystemTime::now() - LIFE;
            let file = file(folder.path(), &hsm);
            let opened = fs::File::options().write(true).open(&file).expect("opens");
            opened.set_modified(old).expect("set");
        }
        let taken = file(folder.path(), &HsmId::new("taken"));
        assert!(take(&taken).expect("readable").is_none());
        forget_expired(folder.path());
        let left = fs::read_dir(folder.path().join(FOLDER)).expect("a folder");
        assert_eq!(left.count(), 0);
    }
}
