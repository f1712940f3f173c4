//! Functions of the browser: address, language, clipboard, focus, files.

use countersign_protocol::{digest::Sha256Digest, manifest::ManifestFile, problem::Problem};
use leptos::prelude::{document, request_animation_frame, window};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileList,
    js_sys::{Reflect, Uint8Array},
};

use crate::work::problem;

/// Removes the line that `index.html` shows while this program loads.
pub fn clear_boot_message() {
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
}

/// Scheme, host and port of this page.
pub fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

pub fn reload() {
    // The browser itself reports a page that fails to load.
    let _ = window().location().reload();
}

/// Country of the user's language, such as `DE`, if the browser names one.
pub fn country() -> Option<String> {
    let language = window().navigator().language()?;
    let (_, region) = language.rsplit_once('-')?;
    let letters = region.len() == 2 && region.chars().all(|c| c.is_ascii_alphabetic());
    letters.then(|| region.to_ascii_uppercase())
}

/// Whether the browser is set to block connections from this page to programs on this machine. `None`: the browser does not
/// report that.
pub async fn loopback_denied() -> Option<bool> {
    let permissions = window().navigator().permissions().ok()?;
    // Browsers use either name: the permission was renamed after its introduction.
    for name in ["loopback-network", "local-network-access"] {
        let descriptor = web_sys::js_sys::Object::new();
        Reflect::set(&descriptor, &"name".into(), &name.into()).ok()?;
        let Ok(promise) = permissions.query(&descriptor) else {
            continue;
        };
        if let Ok(status) = JsFuture::from(promise).await
            && let Ok(status) = status.dyn_into::<web_sys::PermissionStatus>()
        {
            return Some(status.state() == web_sys::PermissionState::Denied);
        }
    }
    None
}

/// Puts text on the clipboard; returns whether that worked.
pub async fn copy(text: &str) -> bool {
    // Outside of a secure context `navigator.clipboard` is undefined.
    if !window().is_secure_context() {
        return false;
    }
    JsFuture::from(window().navigator().clipboard().write_text(text))
        .await
        .is_ok()
}

/// Moves the focus to the first element that matches, after the current update of the page.
pub fn focus(selector: impl Into<String>) {
    let selector = selector.into();
    request_animation_frame(move || {
        if let Ok(Some(element)) = document().query_selector(&selector)
            && let Ok(element) = element.dyn_into::<web_sys::HtmlElement>()
        {
            // The focus stays where it was if this element can't take it.
            let _ = element.focus();
        }
    });
}

/// Hashes files in the browser, so that their content never leaves the machine. `progress` receives the number of files that
/// are done.
///
/// # Errors
/// A file can't be read.
pub async fn hash_files(
    files: &FileList,
    progress: impl Fn(u32),
) -> Result<Vec<ManifestFile>, Problem> {
    let mut manifest = Vec::new();
    for index in 0..files.length() {
        let Some(file) = files.get(index) else {
            continue;
        };
        progress(index);
        let sha256 = hash(&file).await.map_err(|_| {
            problem(
                "File can't be read",
                format!(
                    "“{}” can't be read. It may have changed since you chose it. Choose the files again.",
                    file.name()
                ),
            )
        })?;
        manifest.push(ManifestFile {
            name: file.name(),
            digest: sha256.into(),
        });
    }
    Ok(manifest)
}

async fn hash(file: &File) -> Result<Sha256Digest, JsValue> {
    let content = JsFuture::from(file.array_buffer()).await?;
    let subtle = window().crypto()?.subtle();
    let promise = subtle.digest_with_str_and_buffer_source("SHA-256", content.unchecked_ref())?;
    let digest = Uint8Array::new(&JsFuture::from(promise).await?).to_vec();
    let bytes = <[u8; 32]>::try_from(digest).map_err(|_| JsValue::NULL)?;
    Ok(Sha256Digest(bytes))
}
