//! Unguessable texts.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Draws a text from the operating system's entropy: `bytes` random bytes in URL-safe base64, four
/// characters for three bytes.
///
/// # Panics
///
/// If the operating system has no entropy to give, as then nothing could protect a session.
pub(crate) fn draw(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the operating system gives entropy");
    BASE64_URL_SAFE_NO_PAD.encode(random)
}
